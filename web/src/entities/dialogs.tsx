import { Modal } from "@mantine/core";
import { useState, type ReactNode } from "react";
import { useAction, useCall } from "../api/hooks";
import type { Decided, Entity, EntityShown } from "../api/types";
import { Icon } from "../parts/icons";
import { FaultCard, SearchBox, TypeTag } from "../parts/parts";
import { count, plural } from "../text/format";
import { orderLabels, lookOf } from "../text/labels";

/** Replies that any decision makes old. */
export const STALE = ["entities/list", "entities/show", "entities/mentions", "documents/page", "documents/show", "documents/mentions", "facts/list", "graph/neighbours", "status/show"];

export function Dialog({ opened, onClose, title, children }: { opened: boolean; onClose: () => void; title: string; children: ReactNode }) {
  return <Modal opened={opened} onClose={onClose} title={title} size="lg" closeButtonProps={{ "aria-label": "Close" }}>{children}</Modal>;
}

/** Shows all sides before anything is joined, and says which name survives. */
export function MergeDialog({ opened, entities, onClose, onDone }: { opened: boolean; entities: readonly Entity[]; onClose: () => void; onDone: (id: string | null) => void }) {
  const [keep, setKeep] = useState<string | null>(null);
  const [reason, setReason] = useState("");
  const action = useAction(STALE);
  const rank = (e: Entity) => (e.origin === "kb" ? 1e9 : 0) + e.n_mentions;
  const kept = entities.find((e) => e.id === keep) ?? [...entities].sort((a, b) => rank(b) - rank(a))[0];
  if (!kept) return null;
  const mixed = new Set(entities.map((e) => e.type)).size > 1;
  const merge = async () => {
    const done = await action.act<Decided>("entities/merge", { ids: [kept.id, ...entities.filter((e) => e.id !== kept.id).map((e) => e.id)], reason: reason.trim() || null });
    if (!done) return;
    // What the dialog promised must hold, whichever spelling the server would have chosen.
    const id = done.entity_id ?? kept.id;
    const now = await action.act<EntityShown>("entities/show", { id });
    if (now && now.entity.name !== kept.name && !(await action.act("entities/rename", { id, name: kept.name }))) return;
    onDone(id);
  };
  return (
    <Dialog opened={opened} onClose={onClose} title={`Merge ${plural(entities.length, "entity", "entities")} into one`}>
      <div className="form">
        <p>They become one, under the name you choose. All names, mentions and facts go along. It can be undone at any time, and it holds after documents are read again.</p>
        <div role="radiogroup" aria-label="The name that stays" style={{ display: "grid", gridTemplateColumns: "minmax(0, 1fr)", gap: 6 }}>
          {entities.map((e) => (
            <label key={e.id} className="pick">
              <input type="radio" name="keep" checked={e.id === kept.id} onChange={() => setKeep(e.id)} />
              <span style={{ minWidth: 0, flex: 1 }}><b style={{ color: "var(--ink)" }}>{e.name}</b>{e.id === kept.id && <span className="tag" style={{ marginLeft: 8 }}>this name stays</span>}<br /><span className="quiet">{count(e.n_mentions)} in {plural(e.n_documents, "document")}{e.aliases.length > 1 && ` · ${e.aliases.filter((a) => a !== e.name).slice(0, 3).join(" · ")}`}</span></span>
              <TypeTag type={e.type} />
            </label>
          ))}
        </div>
        {mixed && <div className="note"><Icon name="warn" />They are of different types. All will be {lookOf(kept.type).name.toLowerCase()}.</div>}
        <label>Why (kept with the decision)<input className="field" value={reason} onChange={(e) => setReason(e.target.value)} /></label>
        {action.fault && <FaultCard error={action.fault} />}
        <div className="row"><button type="button" className="btn" onClick={onClose}>Keep apart</button><button type="button" className="btn main" disabled={action.busy || entities.length < 2} onClick={() => void merge()}><Icon name="merge" /><span className="clip">Merge into “{kept.name}”</span></button></div>
      </div>
    </Dialog>
  );
}

/** Finds the other half of a merge, for an entity whose page is open. */
export function MergeWith({ opened, entity, onClose, onDone }: { opened: boolean; entity: Entity; onClose: () => void; onDone: (id: string | null) => void }) {
  const [text, setText] = useState("");
  const [other, setOther] = useState<Entity | null>(null);
  const found = useCall<{ entities: Entity[] }>("entities/list", { query: text.trim(), limit: 12 }, { enabled: opened && text.trim() !== "", keep: true });
  if (other) return <MergeDialog opened={opened} entities={[entity, other]} onClose={() => { setOther(null); onClose(); }} onDone={onDone} />;
  return (
    <Dialog opened={opened} onClose={onClose} title={`Merge “${entity.name}” with`}>
      <div className="form">
        <SearchBox autoFocus value={text} onChange={setText} label="The other entity" placeholder="Name of the other one" />
        <div style={{ display: "grid", gridTemplateColumns: "minmax(0, 1fr)", gap: 4, minHeight: 180, alignContent: "start" }}>
          {found.data?.entities.filter((e) => e.id !== entity.id).map((e) => <button key={e.id} type="button" className="pick" onClick={() => setOther(e)}><span className="clip" style={{ flex: 1, textAlign: "left" }}>{e.name} <span className="quiet">{count(e.n_mentions)} in {plural(e.n_documents, "document")}</span></span><TypeTag type={e.type} /></button>)}
          {text.trim() && found.data && found.data.entities.filter((e) => e.id !== entity.id).length === 0 && <p className="quiet">No other entity has that name.</p>}
        </div>
      </div>
    </Dialog>
  );
}

export function RenameDialog({ opened, entity, types, onClose, onDone }: { opened: boolean; entity: Entity; types: readonly string[]; onClose: () => void; onDone: (id: string | null) => void }) {
  const [name, setName] = useState(entity.name);
  const [type, setType] = useState(entity.type);
  const action = useAction(STALE);
  const save = async () => {
    let id: string | null = entity.id;
    if (name.trim() && name.trim() !== entity.name) {
      const done = await action.act<Decided>("entities/rename", { id, name: name.trim() });
      if (!done) return;
      id = done.entity_id ?? id;
    }
    if (type !== entity.type) {
      const done = await action.act<Decided>("entities/retype", { id, type });
      if (!done) return;
      id = done.entity_id ?? id;
    }
    onDone(id);
  };
  const options = orderLabels(Object.fromEntries([...types, entity.type, "PERSON", "ORG", "PLACE", "PRODUCT", "LAW", "EVENT"].map((t) => [t, 0])));
  return (
    <Dialog opened={opened} onClose={onClose} title="Name and type">
      <form className="form" onSubmit={(e) => { e.preventDefault(); void save(); }}>
        <label>Name<input className="field" data-autofocus value={name} maxLength={500} onChange={(e) => setName(e.target.value)} /></label>
        <label>Type<select value={type} onChange={(e) => setType(e.target.value)}>{options.map((t) => <option key={t} value={t}>{lookOf(t).name}</option>)}</select></label>
        <p className="quiet">Your word holds: no later run changes it back. It can be undone in the history.</p>
        {action.fault && <FaultCard error={action.fault} />}
        <div className="row"><button type="button" className="btn" onClick={onClose}>Leave it</button><button type="submit" className="btn main" disabled={action.busy || !name.trim() || (name.trim() === entity.name && type === entity.type)}>Save</button></div>
      </form>
    </Dialog>
  );
}

export function SplitDialog({ opened, shown, names, onClose, onDone }: { opened: boolean; shown: EntityShown; names: readonly string[]; onClose: () => void; onDone: (id: string | null) => void }) {
  const action = useAction(STALE);
  const away = shown.names.filter((n) => names.includes(n.name_id));
  const split = async () => {
    const done = await action.act<Decided>("entities/split", { id: shown.entity.id, name_ids: names });
    if (done) onDone(done.entity_id);
  };
  return (
    <Dialog opened={opened} onClose={onClose} title={`Split ${plural(away.length, "name")} away`}>
      <div className="form">
        <p>These become an entity of their own, apart from “{shown.entity.name}”, with {plural(away.reduce((n, a) => n + a.n_mentions, 0), "mention")}. They will not be joined again by a later run.</p>
        <div className="chips">{away.map((n) => <span key={n.name_id} className="tag">{n.surface}</span>)}</div>
        {action.fault && <FaultCard error={action.fault} />}
        <div className="row"><button type="button" className="btn" onClick={onClose}>Keep together</button><button type="button" className="btn main" disabled={action.busy} onClick={() => void split()}><Icon name="split" />Split away</button></div>
      </div>
    </Dialog>
  );
}
