import { useMemo, useRef, useState } from "react";
import { Link, useLocation } from "wouter";
import { useAction, useCall } from "../api/hooks";
import { useWindowed } from "../api/windowed";
import type { Decision, EntityMention, EntityShown, Fact, FactList, Decided } from "../api/types";
import { Icon } from "../parts/icons";
import { Confidence, Empty, FaultCard, IconButton, leaf, Pieces, QuoteBlock, Skeleton, SourceLink, Tabs, Time, TypeDot, TypeTag } from "../parts/parts";
import { Rows } from "../parts/Rows";
import { documentHref, ENTITY, entityHref, graphHref } from "../place/places";
import { href } from "../place/codec";
import { SIDE_PX, useNarrow } from "../parts/useNarrow";
import { usePlace } from "../place/usePlace";
import { count, plural } from "../text/format";
import { SEARCH } from "../place/places";
import { MergeWith, RenameDialog, SplitDialog, STALE } from "./dialogs";
import { MiniGraph } from "./MiniGraph";
import { ORIGINS } from "./Entities";

export default function EntityView({ id }: { id: string }) {
  const [place, move] = usePlace(ENTITY);
  const [, navigate] = useLocation();
  const reply = useCall<EntityShown>("entities/show", { id });
  const [dialog, setDialog] = useState<"merge" | "rename" | "split" | null>(null);
  const [names, setNames] = useState<string[]>([]);
  const undo = useAction(STALE);
  const scroller = useRef<HTMLDivElement>(null);
  const narrow = useNarrow(SIDE_PX);
  if (reply.error) return <div style={{ padding: 24, maxWidth: 640 }}><FaultCard error={reply.error} retry={() => void reply.refetch()} /><p style={{ marginTop: 12 }}><Link href="/entities">All entities</Link></p></div>;
  if (!reply.data) return <div style={{ padding: 24 }}><Skeleton lines={8} height={18} /></div>;
  const shown = reply.data;
  const { entity } = shown;
  const tab = place.tab === "around" && !narrow ? "facts" : place.tab;
  const done = (to: string | null) => { setDialog(null); setNames([]); if (to && to !== id) navigate(entityHref(to), { replace: true }); };
  const takeBack = async (decision: Decision) => {
    const reply_ = await undo.act<Decided>("entities/undo", { decision_id: decision.id });
    if (reply_?.entity_id && reply_.entity_id !== id) navigate(entityHref(reply_.entity_id), { replace: true });
  };
  return (
    <div className="view">
      <header className="head" style={{ paddingBottom: 6 }}>
        <Link href="/entities" className="btn bare small" aria-label="All entities"><Icon name="left" /></Link>
        <TypeTag type={entity.type} /><h1>{entity.name}</h1><span className="grow" />
        <button type="button" className="btn" onClick={() => setDialog("rename")}><Icon name="pen" />Rename</button>
        <button type="button" className="btn" onClick={() => setDialog("merge")}><Icon name="merge" />Merge</button>
        <Link className="btn" href={href("/search", SEARCH, { f: { entity: [entity.id] } })}><Icon name="search" />Documents</Link>
        <Link className="btn" href={graphHref(entity.id)}><Icon name="graph" />Graph</Link>
      </header>
      <p className="quiet about-line">
        {plural(entity.n_mentions, "mention")} in {plural(entity.n_documents, "document")} · {ORIGINS[entity.origin] ?? entity.origin}
        {Object.entries(entity.identifiers ?? {}).map(([k, v]) => <span key={k}> · {k.replace(/_/g, " ")} <span className="mono">{v}</span></span>)}
      </p>
      {typeof entity.properties?.description === "string" && <p className="about-line">{entity.properties.description}</p>}
      <div className="entity-body">
        <div className="entity-main">
          <Tabs label="About this entity" value={tab} onChange={(to) => move({ tab: to })} options={[{ value: "facts", name: "Facts", n: shown.n_facts }, { value: "mentions", name: "Mentions", n: entity.n_mentions }, { value: "names", name: "Names", n: shown.names.length }, { value: "history", name: "History", n: shown.decisions.length }, ...(narrow ? [{ value: "around" as const, name: "Around" }] : [])]} />
          <div className="scroll" ref={scroller} tabIndex={0} role="region" aria-label={tab}>
            {tab === "facts" && <Facts entity={entity.id} predicate={place.predicate} onPredicate={(predicate) => move({ predicate })} />}
            {tab === "mentions" && <Mentions id={id} scroller={scroller} />}
            {tab === "names" && <Names shown={shown} chosen={names} onChoose={setNames} onSplit={() => setDialog("split")} />}
            {tab === "around" && <Around shown={shown} />}
            {tab === "history" && (
              <div className="pad" style={{ paddingTop: 14 }}>
                {undo.fault && <FaultCard error={undo.fault} />}
                {!shown.decisions.length ? <Empty icon="undo" title="Nobody has changed it">Merges, splits and new names are listed here, and each can be taken back.</Empty>
                  : <ol className="history">{[...shown.decisions].sort((a, b) => b.sequence - a.sequence).map((d) => <DecisionLine key={d.id} decision={d} undone={shown.decisions.some((u) => u.verb === "undo" && u.subjects[0] === d.id)} busy={undo.busy} onUndo={() => void takeBack(d)} />)}</ol>}
              </div>
            )}
          </div>
        </div>
        {!narrow && <Around shown={shown} />}
      </div>
      <MergeWith key={`m${dialog === "merge"}`} opened={dialog === "merge"} entity={entity} onClose={() => setDialog(null)} onDone={done} />
      <RenameDialog key={`r${dialog === "rename"}`} opened={dialog === "rename"} entity={entity} types={[]} onClose={() => setDialog(null)} onDone={done} />
      <SplitDialog opened={dialog === "split"} shown={shown} names={names} onClose={() => setDialog(null)} onDone={() => done(null)} />
    </div>
  );
}

function Around({ shown }: { shown: EntityShown }) {
  const { entity } = shown;
  return (
    <aside className="entity-side" aria-label="Around this entity">
      <section><h3>Near it</h3><MiniGraph id={entity.id} />
        <div className="linklist" style={{ marginTop: 8 }}>{shown.neighbours.slice(0, 10).map((n) => <div key={n.id}><TypeDot type={n.type} /><Link className="clip" href={entityHref(n.id)}>{n.name}</Link><span className="n">{count(n.n)}</span></div>)}</div>
      </section>
      <section><h3>{plural(entity.n_documents, "document")}</h3>
        <div className="linklist">{shown.documents.slice(0, 25).map((d) => <div key={d.id}><Link className="clip" href={documentHref(d.id)} title={d.name}>{d.title ?? leaf(d.name)}</Link>{d.date && <span className="quiet" style={{ fontSize: 12, whiteSpace: "nowrap" }}><Time iso={d.date} /></span>}<span className="n">{count(d.n)}</span></div>)}</div>
      </section>
    </aside>
  );
}

const FACTS_A_STEP = 50;

function Facts({ entity, predicate, onPredicate }: { entity: string; predicate: string; onPredicate: (p: string) => void }) {
  const [limit, setLimit] = useState(FACTS_A_STEP);
  const body = { entity, predicate: predicate || null, limit: Math.min(limit, 1000) };
  const reply = useCall<FactList>("facts/list", body, { keep: true });
  const judge = useAction(["facts/list", "entities/show", "graph/neighbours"]);
  if (reply.error) return <div className="pad"><FaultCard error={reply.error} retry={() => void reply.refetch()} /></div>;
  if (!reply.data) return <div className="pad" style={{ paddingTop: 16 }}><Skeleton lines={6} /></div>;
  const { facts, predicates, total } = reply.data;
  if (!total && !predicate) return <Empty icon="graph" title="No facts about it">A fact needs a sentence that states it. The mentions show where the name stands.</Empty>;
  return (
    <div className="pad" style={{ paddingTop: 14, display: "grid", gridTemplateColumns: "minmax(0, 1fr)", gap: 10 }}>
      {(predicates.length > 1 || predicate) && <div className="chips" role="group" aria-label="Kinds of fact">{predicates.map((p) => <button key={p.value} type="button" className="chip off-plain" aria-pressed={p.value === predicate} onClick={() => onPredicate(p.value === predicate ? "" : p.value)}>{p.label} <span className="n">{count(p.n)}</span></button>)}</div>}
      {judge.fault && <FaultCard error={judge.fault} />}
      {facts.map((fact) => <FactCard key={fact.id} fact={fact} entity={entity} busy={judge.busy} onJudge={(verdict) => void judge.act("facts/judge", { id: fact.id, verdict })} />)}
      {facts.length < total && limit < 1000 && <button type="button" className="btn" style={{ justifySelf: "start" }} onClick={() => setLimit(limit * 2)}>Show more of {count(total)}</button>}
    </div>
  );
}

function FactCard({ fact, entity, onJudge, busy }: { fact: Fact; entity: string; onJudge: (verdict: "accept" | "reject") => void; busy: boolean }) {
  const [all, setAll] = useState(false);
  const end = (id: string | null, name: string | null) => (id === null ? <b>{name}</b> : id === entity ? <b>{name}</b> : <Link href={entityHref(id)}>{name}</Link>);
  const evidence = all ? fact.evidence : fact.evidence.slice(0, 1);
  return (
    <article className={`card fact ${fact.status}`}>
      <div className="fact-line">
        <span className="fact-words">{end(fact.subject, fact.subject_name)} <em>{fact.predicate_label}</em> {end(fact.object_entity, fact.object_name ?? fact.object_value)}
          {Object.entries(fact.qualifiers).filter(([, v]) => v !== fact.object_value && v !== fact.object_name).map(([k, v]) => <span key={k} className="tag">{k.replace(/_/g, " ")}: {v}</span>)}</span>
        <Confidence value={fact.confidence} />
        {fact.n_sources > 1 && <span className="quiet tnum" title="Documents that say so; copies of one count once">{plural(fact.n_sources, "source")}</span>}
        {fact.status !== "proposed" && <span className={`state ${fact.status === "accepted" ? "good" : "bad"}`}>{fact.status === "accepted" ? "Accepted" : "Rejected"}</span>}
        <IconButton icon="check" label="This is right" disabled={busy} onClick={() => onJudge("accept")} /><IconButton icon="close" label="This is wrong" disabled={busy} onClick={() => onJudge("reject")} />
      </div>
      {evidence.map((e) => <QuoteBlock key={`${e.quote.document_id}.${e.quote.start}`} quote={e.quote} />)}
      {fact.evidence.length > 1 && <button type="button" className="btn bare small" style={{ justifySelf: "start" }} aria-expanded={all} onClick={() => setAll(!all)}>{all ? "Fewer sentences" : `${plural(fact.n_evidence - 1, "more sentence")}`}</button>}
    </article>
  );
}

function Mentions({ id, scroller }: { id: string; scroller: React.RefObject<HTMLDivElement | null> }) {
  const body = useMemo(() => ({ id }), [id]);
  const list = useWindowed<{ total: number; mentions: EntityMention[] }, EntityMention>("entities/mentions", body, (r) => r.mentions, 50);
  if (list.error) return <div className="pad"><FaultCard error={list.error} retry={list.refetch} /></div>;
  if (list.pending) return <div className="pad" style={{ paddingTop: 16 }}><Skeleton lines={8} /></div>;
  if (!list.total) return <Empty icon="entities" title="It stands in no document">It comes from the knowledge base; no document mentions it yet.</Empty>;
  return (
    <Rows total={list.total} scroller={scroller} estimate={78} near={list.near} label="Mentions" row={(i) => {
      const mention = list.row(i);
      return <div className="mention-row">{mention ? <><p className="quote" style={{ fontSize: 14 }}><Pieces pieces={mention.quote.pieces} /></p><div style={{ display: "flex", gap: 12 }}><SourceLink quote={mention.quote} />{mention.score < 0.999 && <Confidence value={mention.score} />}</div></> : <Skeleton lines={2} />}</div>;
    }} />
  );
}

const METHODS: Record<string, string> = { kb: "knowledge base", exact: "same name", alias: "known alias", person: "decided by a person" };

function Names({ shown, chosen, onChoose, onSplit }: { shown: EntityShown; chosen: string[]; onChoose: (ids: string[]) => void; onSplit: () => void }) {
  return (
    <div className="pad" style={{ paddingTop: 14, display: "grid", gridTemplateColumns: "minmax(0, 1fr)", gap: 10, justifyItems: "start" }}>
      <p className="quiet">All spellings that count as this entity, and why. Choose those that mean somebody or something else, and split them away.</p>
      <div className="wide-table"><table className="plain card" style={{ width: "100%" }}>
        <thead><tr><th style={{ width: 30 }}><span className="sr">Select</span></th><th>Name</th><th>Why it belongs</th><th className="right">Mentions</th><th className="right">Documents</th></tr></thead>
        <tbody>{shown.names.map((n) => (
          <tr key={n.name_id}>
            <td><input type="checkbox" aria-label={`Select ${n.surface}`} checked={chosen.includes(n.name_id)} onChange={() => onChoose(chosen.includes(n.name_id) ? chosen.filter((x) => x !== n.name_id) : [...chosen, n.name_id])} /></td>
            <td style={{ fontWeight: 500 }}>{n.surface}</td><td><span className="quiet">{METHODS[n.method] ?? n.method.replace(/_/g, " ")}</span> <Confidence value={n.score} /></td>
            <td className="right tnum">{count(n.n_mentions)}</td><td className="right tnum">{count(n.n_documents)}</td>
          </tr>
        ))}</tbody>
      </table></div>
      <button type="button" className="btn" disabled={!chosen.length || chosen.length === shown.names.length} onClick={onSplit}><Icon name="split" />{chosen.length ? `Split ${plural(chosen.length, "name")} away` : "Split names away"}</button>
    </div>
  );
}

const VERBS: Record<string, string> = { merge: "Merged", split: "Split away", never_merge: "Kept apart", rename: "Renamed to", retype: "Type set to", accept: "Accepted a fact", reject: "Rejected a fact", undo: "Took back a decision" };

function DecisionLine({ decision, undone, busy, onUndo }: { decision: Decision; undone: boolean; busy: boolean; onUndo: () => void }) {
  return (
    <li>
      <span style={{ textDecoration: undone ? "line-through" : undefined }}><b style={{ fontWeight: 500 }}>{VERBS[decision.verb] ?? decision.verb}</b> {decision.value ?? ""}</span>
      {decision.reason && <span className="quiet">“{decision.reason}”</span>}
      <span className="quiet">{decision.person}, <Time iso={decision.made_at} /></span>
      <span style={{ flex: 1 }} />
      {undone ? <span className="quiet">Taken back</span> : decision.verb !== "undo" && <button type="button" className="btn small" disabled={busy} onClick={onUndo}><Icon name="undo" />Undo</button>}
    </li>
  );
}
