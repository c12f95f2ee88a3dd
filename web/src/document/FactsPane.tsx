import { useState } from "react";
import { Link } from "wouter";
import { useCall } from "../api/hooks";
import type { FactList, Quote } from "../api/types";
import { Confidence, Empty, FaultCard, Pieces, Skeleton } from "../parts/parts";
import { entityHref } from "../place/places";
import { count, plural } from "../text/format";

const STEP = 50;

/** What this document states, each with the sentence of it that does. */
export function FactsPane({ id, onQuote }: { id: string; onQuote: (quote: Quote) => void }) {
  const [limit, setLimit] = useState(STEP);
  const reply = useCall<FactList>("facts/list", { document: id, limit }, { keep: true });
  if (reply.error) return <div className="side-pad"><FaultCard error={reply.error} retry={() => void reply.refetch()} /></div>;
  if (!reply.data) return <div className="side-pad"><Skeleton lines={7} /></div>;
  const { facts, total } = reply.data;
  if (!total) return <Empty icon="graph" title="No facts">A fact needs a sentence that states it between two names, or of a name.</Empty>;
  const end = (entity: string | null, name: string | null) => (entity ? <Link href={entityHref(entity)}>{name}</Link> : <b>{name}</b>);
  return (
    <div className="pane" style={{ flex: 1 }} tabIndex={0} role="region" aria-label="Facts of the document">
      <div className="side-pad" style={{ gap: 14 }}>
        {facts.map((fact) => {
          const said = fact.evidence.find((e) => e.quote.document_id === id);
          const elsewhere = fact.n_evidence - fact.evidence.filter((e) => e.quote.document_id === id).length;
          return (
            <article key={fact.id} className={`said ${fact.status}`}>
              <div className="fact-words">{end(fact.subject, fact.subject_name)} <em>{fact.predicate_label}</em> {end(fact.object_entity, fact.object_name ?? fact.object_value)}
                {Object.entries(fact.qualifiers).filter(([, value]) => value !== fact.object_value).map(([name, value]) => <span key={name} className="tag">{name}: {value}</span>)}</div>
              {said && <button type="button" className="said-here quote" onClick={() => onQuote(said.quote)}><span><Pieces pieces={said.quote.pieces} /></span></button>}
              <div className="line quiet"><Confidence value={fact.confidence} />{said?.quote.page != null && <span>p. {said.quote.page}</span>}{elsewhere > 0 && <span>{plural(elsewhere, "sentence")} elsewhere</span>}</div>
            </article>
          );
        })}
        {facts.length < total && limit < 1000 && <button type="button" className="btn small" style={{ justifySelf: "start" }} onClick={() => setLimit(Math.min(limit * 2, 1000))}>Show more of {count(total)}</button>}
      </div>
    </div>
  );
}
