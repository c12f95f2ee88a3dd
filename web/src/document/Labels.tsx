import { useState } from "react";
import { useAction, useCall } from "../api/hooks";
import type { LabelList, LabelsOf } from "../api/types";
import { FaultCard, IconButton } from "../parts/parts";
import { percent } from "../text/format";

const CHANGED = ["labels/show", "labels/list"];

/** What people, or classifiers that learn from them, labelled a document; a person's word stands. */
export function Labels({ id }: { id: string }) {
  const reply = useCall<{ labels: LabelsOf[] }>("labels/show", { ids: [id] }, { keep: true });
  const change = useAction(CHANGED);
  const [scheme, setScheme] = useState("label");
  const [label, setLabel] = useState("");
  const known = useCall<LabelList>("labels/list", { scheme: scheme.trim() || "label", limit: 1 }, { keep: true });
  const labels = reply.data?.labels ?? [];
  const of = (name: string) => labels.find((one) => one.scheme === name && one.by === "person")?.labels ?? [];
  const set = (name: string, to: readonly string[]) => change.act("labels/set", { ids: [id], scheme: name, labels: to });
  const add = async () => {
    const name = scheme.trim() || "label";
    if (label.trim() && (await set(name, [...new Set([...of(name), label.trim()])]))) setLabel("");
  };
  return (
    <section aria-label="Labels">
      <h3>Labels</h3>
      {reply.error && <FaultCard error={reply.error} retry={() => void reply.refetch()} />}
      {change.fault && <FaultCard error={change.fault} />}
      <div className="linklist">
        {labels.map((one) => (
          <div key={`${one.scheme} ${one.by}`}>
            <span className="quiet">{one.scheme}</span>
            <span className="chips">{one.labels.length ? one.labels.map((l) => <span key={l} className="tag">{l}</span>) : <span className="quiet">none</span>}</span>
            {one.by === "person"
              ? <span className="n" title={`by ${one.person ?? "a person"}`}><IconButton icon="close" label={`Take the ${one.scheme} back`} disabled={change.busy} onClick={() => void change.act("labels/remove", { ids: [id], scheme: one.scheme })} /></span>
              : <span className="n" title={one.model ? `predicted by ${one.model}` : "predicted"}>{one.share != null && percent(one.share)}<IconButton icon="check" label={`The ${one.scheme} is right`} disabled={change.busy} onClick={() => void set(one.scheme, one.labels)} /></span>}
          </div>
        ))}
      </div>
      <form className="label-form" onSubmit={(e) => { e.preventDefault(); void add(); }}>
        <input aria-label="Scheme" list="label-schemes" value={scheme} onChange={(e) => setScheme(e.target.value)} maxLength={100} />
        <input aria-label="Label" list="label-names" placeholder="Label" value={label} onChange={(e) => setLabel(e.target.value)} maxLength={200} />
        <button type="submit" className="btn small" disabled={change.busy || !label.trim()}>Add</button>
        <datalist id="label-schemes">{known.data?.schemes.map((s) => <option key={s} value={s} />)}</datalist>
        <datalist id="label-names">{known.data?.counts.map((c) => <option key={c.label} value={c.label} />)}</datalist>
      </form>
    </section>
  );
}
