import { Modal } from "@mantine/core";
import { capOf, KEYS, type Scope } from "../place/keys";

const TITLES: Record<Scope, string> = { everywhere: "Everywhere", lists: "In lists", document: "In a document", graph: "In the graph" };

export function KeyList() {
  return (
    <div style={{ display: "grid", gridTemplateColumns: "repeat(auto-fill, minmax(270px, 1fr))", gap: "20px 34px" }}>
      {(Object.keys(TITLES) as Scope[]).map((scope) => (
        <section key={scope}>
          <h3 style={{ marginBottom: 6 }}>{TITLES[scope]}</h3>
          {KEYS.filter((k) => k.scope === scope).map((key) => (
            <div key={key.id} style={{ display: "flex", gap: 8, padding: "4px 0", alignItems: "center" }}>
              <span style={{ flex: 1 }}>{key.does}</span>
              <span style={{ whiteSpace: "nowrap" }}>
                {key.keys.map((name, i) => (
                  <span key={name}>{i > 0 && <span className="quiet"> or </span>}{name.split(" ").map((part, j) => <kbd key={j} className="kbd" style={{ marginLeft: 3 }}>{capOf(part)}</kbd>)}</span>
                ))}
              </span>
            </div>
          ))}
        </section>
      ))}
    </div>
  );
}

export function KeyHelp({ opened, onClose }: { opened: boolean; onClose: () => void }) {
  return <Modal opened={opened} onClose={onClose} title="Keys" size="xl" closeButtonProps={{ "aria-label": "Close" }}><KeyList /></Modal>;
}
