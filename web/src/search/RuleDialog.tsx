import { useState } from "react";
import { useAction, useCall } from "../api/hooks";
import type { PredicateView, RulePreview, SavedRule } from "../api/types";
import { Dialog } from "../entities/dialogs";
import { Icon } from "../parts/icons";
import { Confidence, FaultCard, Pieces, Skeleton } from "../parts/parts";
import { count, plural } from "../text/format";

/** What a pattern's slots state, with the facts it would give before it is saved. */
export function RuleDialog({ pattern, slots, predicates, onClose }: { pattern: string; slots: readonly string[]; predicates: readonly PredicateView[]; onClose: () => void }) {
  const [name, setName] = useState("");
  const [predicate, setPredicate] = useState(predicates[0]?.name ?? "");
  const [subject, setSubject] = useState(slots[0] ?? "");
  const [object, setObject] = useState(slots.at(-1) ?? "");
  const [qualifiers, setQualifiers] = useState<Record<string, string>>({});
  const action = useAction(["grammar/rules"]);
  const chosen = predicates.find((p) => p.name === predicate);
  const kept = Object.fromEntries(Object.entries(qualifiers).filter(([q, slot]) => slot && chosen?.qualifiers.includes(q)));
  const body = { pattern, predicate, subject, object, qualifiers: kept };
  const shown = useCall<RulePreview>("grammar/preview", body, { enabled: subject !== object, keep: true });
  const save = async () => { if (await action.act<SavedRule>("grammar/save", { ...body, name: name.trim() })) onClose(); };
  const slotOptions = slots.map((s) => <option key={s}>{s}</option>);
  return (
    <Dialog opened onClose={onClose} title="Save as rule of extraction">
      <form className="form" onSubmit={(e) => { e.preventDefault(); void save(); }}>
        <code>{pattern}</code>
        <label>Name<input className="field" data-autofocus value={name} maxLength={200} onChange={(e) => setName(e.target.value)} /></label>
        <label>States<select value={predicate} onChange={(e) => setPredicate(e.target.value)}>{predicates.map((p) => <option key={p.name} value={p.name}>{p.label}</option>)}</select></label>
        <label>Subject<select value={subject} onChange={(e) => setSubject(e.target.value)}>{slotOptions}</select></label>
        <label>Object<select value={object} onChange={(e) => setObject(e.target.value)}>{slotOptions}</select></label>
        {chosen?.qualifiers.map((q) => <label key={q}>{q}<select value={qualifiers[q] ?? ""} onChange={(e) => setQualifiers({ ...qualifiers, [q]: e.target.value })}><option value="">as found in the sentence</option>{slotOptions}</select></label>)}
        <section aria-label="What it would give" style={{ display: "grid", gap: 8, maxHeight: 260, overflow: "auto" }}>
          {subject === object ? <p className="quiet">Subject and object are two slots.</p> : shown.error ? <FaultCard error={shown.error} /> : !shown.data ? <Skeleton lines={3} /> : (
            <>
              <p className="quiet">{plural(shown.data.total, "fact")} from {count(shown.data.n_matching)} of the newest {plural(shown.data.n_documents, "document")}</p>
              {shown.data.facts.map((f, i) => (
                <article key={i} className="said">
                  <div className="fact-words"><b>{f.subject}</b> <em>{f.predicate_label}</em> <b>{f.object}</b>{Object.entries(f.qualifiers).map(([q, v]) => <span key={q} className="tag">{q}: {v}</span>)}<span className="tag">{f.is_known ? "known already" : "new"}</span><Confidence value={f.confidence} /></div>
                  <span className="quote quiet"><Pieces pieces={f.quote.pieces} /></span>
                </article>
              ))}
            </>
          )}
        </section>
        {action.fault && <FaultCard error={action.fault} />}
        <div className="row"><button type="button" className="btn" onClick={onClose}>Leave it</button><button type="submit" className="btn main" disabled={action.busy || subject === object}><Icon name="check" />Save the rule</button></div>
      </form>
    </Dialog>
  );
}
