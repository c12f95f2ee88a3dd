import { Link } from "wouter";
import { useState } from "react";
import { useAction, useCall } from "../api/hooks";
import type { CopyView, DecidedCopies, DocumentShown, SimilarDocument } from "../api/types";
import { Empty, FaultCard, leaf, Pieces, quoteTitle, Skeleton, StateBadge, Time, TypeDot } from "../parts/parts";
import { copiesHref, documentHref, entityHref, quoteHref } from "../place/places";
import { Labels } from "./Labels";
import { count, duration, languageName, mediaName, percent, plural, size } from "../text/format";

const TECHNICAL = new Set(["source_key"]);
const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d/;

export function AboutPane({ shown }: { shown: DocumentShown }) {
  const { document } = shown;
  const metadata = Object.entries(shown.metadata).filter(([name]) => !TECHNICAL.has(name));
  return (
    <div className="pane" style={{ flex: 1 }} tabIndex={0} role="region" aria-label="About the document">
      <div className="side-pad">
        <section>
          <dl className="dl">
            <dt>Name</dt><dd>{document.name}</dd>
            <dt>Kind</dt><dd>{mediaName(document.media_type)}, {size(document.size_bytes)}</dd>
            <dt>Language</dt><dd>{languageName(document.language)}</dd>
            {document.n_pages ? <><dt>Pages</dt><dd>{count(document.n_pages)}</dd></> : null}
            {document.n_characters ? <><dt>Characters</dt><dd>{count(document.n_characters)}</dd></> : null}
            {shown.date && <><dt>Dated</dt><dd><Time iso={shown.date} /></dd></>}
            <dt>Added</dt><dd><Time iso={document.added_at} /></dd>
            <dt>Facts</dt><dd>{count(shown.n_facts)}</dd>
          </dl>
        </section>
        {document.state === "done" && <Labels key={document.id} id={document.id} />}
        {(shown.parent || shown.children.length > 0) && (
          <section>
            <h3>Inside and around</h3>
            <div className="linklist">
              {shown.parent && <div><span className="quiet">in</span><Link className="clip" href={documentHref(shown.parent.id)}>{shown.parent.title ?? leaf(shown.parent.name)}</Link></div>}
              {shown.children.map((child) => <div key={child.id}><Link className="clip" href={documentHref(child.id)} title={child.name}>{child.title ?? leaf(child.name)}</Link><span className="n"><StateBadge state={child.state} /></span></div>)}
            </div>
          </section>
        )}
        {shown.entities.length > 0 && (
          <section>
            <h3>Who and what it is about</h3>
            <div className="linklist">{shown.entities.slice(0, 14).map((e) => <div key={e.id}><TypeDot type={e.type} /><Link className="clip" href={entityHref(e.id)}>{e.name}</Link><span className="n">{count(e.n)}</span></div>)}</div>
          </section>
        )}
        {metadata.length > 0 && <section><h3>What the file says of itself</h3><dl className="dl">{metadata.map(([name, value]) => <div key={name} style={{ display: "contents" }}><dt>{name.replace(/_/g, " ")}</dt><dd>{ISO.test(value) ? <Time iso={value} /> : value}</dd></div>)}</dl></section>}
        {shown.versions.length > 1 && <section><h3>Versions</h3><div className="linklist">{shown.versions.map((v) => <div key={v.version}><Time iso={v.added_at} /><span className="mono quiet">{v.version.slice(0, 10)}</span><span className="n">{size(v.size_bytes)}</span></div>)}</div></section>}
        {shown.stages.length > 0 && <section><h3>How it was read</h3><div className="linklist">{shown.stages.map((s) => <div key={s.stage} title={s.component}><span>{s.stage}</span><span className="clip mono quiet">{s.component}</span><span className="n">{duration(s.seconds)}</span></div>)}</div></section>}
      </div>
    </div>
  );
}

/** Why two documents are copies, in a few words. */
const WHY: Record<string, string> = { same_bytes: "The same file", same_words: "The same words", shortened: "A part of the other", retold: "Retold: beginning or title, names and numbers are the same" };

/** The documents that say the same: together they are one source, unless somebody says that they are none. */
function Copies({ id, n }: { id: string; n: number }) {
  const reply = useCall<{ copies: CopyView[] }>("copies/show", { id }, { enabled: n > 0, keep: true });
  const decide = useAction(["copies/show", "documents/show", "facts/list", "search/documents"]);
  const [last, setLast] = useState<{ decision: string; name: string } | null>(null);
  const part = async (copy: CopyView) => {
    const made = await decide.act<DecidedCopies>("copies/decide", { id, others: [copy.document.id], copies: false });
    if (made) setLast({ decision: made.decision.id, name: copy.document.title ?? leaf(copy.document.name) });
  };
  const undo = async () => { if (last && (await decide.act("entities/undo", { decision_id: last.decision }))) setLast(null); };
  if (!n && !last && !decide.fault) return null;
  return (
    <section aria-label="Copies">
      {n > 0 && <h3>The same in {plural(n, "other document")}</h3>}
      {n > 0 && <p className="quiet" style={{ fontSize: 12 }}>Together they count as one source.</p>}
      {reply.error && <FaultCard error={reply.error} retry={() => void reply.refetch()} />}
      {decide.fault && <FaultCard error={decide.fault} />}
      <div className="linklist copies">
        {n > 0 && reply.data?.copies.map((copy) => (
          <div key={copy.document.id}>
            <Link className="clip" href={documentHref(copy.document.id)} title={copy.document.name}>{copy.document.title ?? leaf(copy.document.name)}<small className="quiet clip">{leaf(copy.document.name)}</small></Link>
            <span className="n" title={copy.why ? WHY[copy.why] : "A copy of the same third document, or somebody said so"}>{copy.similarity > 0 ? percent(copy.similarity) : ""}</span>
            {copy.document.state !== "duplicate" && copy.why !== "same_bytes" && <button type="button" className="btn bare small" disabled={decide.busy} onClick={() => void part(copy)}>Not a copy</button>}
          </div>
        ))}
      </div>
      {last && <p className="line quiet" role="status"><span className="clip">{last.name} is a source of its own.</span><button type="button" className="btn bare small" disabled={decide.busy} onClick={() => void undo()}>Undo</button></p>}
    </section>
  );
}

export function SimilarPane({ id, nCopies }: { id: string; nCopies: number }) {
  return (
    <div className="pane" style={{ flex: 1 }} tabIndex={0} role="region" aria-label="Similar documents">
      <div className="side-pad">
        <Copies key={id} id={id} n={nCopies} />
        <Alike id={id} nCopies={nCopies} />
      </div>
    </div>
  );
}

function Alike({ id, nCopies }: { id: string; nCopies: number }) {
  const reply = useCall<{ documents: SimilarDocument[] }>("similar/documents", { id, limit: 12 }, { steady: true });
  if (reply.error) return <FaultCard error={reply.error} retry={() => void reply.refetch()} />;
  if (!reply.data) return <Skeleton lines={7} />;
  if (!reply.data.documents.length) return <Empty icon="documents" title="Nothing is like it">Add more documents, and those that share names or passages with it appear here.</Empty>;
  return (
    <>
        {nCopies > 0 && <h3>Alike in meaning</h3>}
        {reply.data.documents.map((found) => (
          <article key={found.document.id} style={{ display: "grid", gap: 5, gridTemplateColumns: "minmax(0, 1fr)" }}>
            <div style={{ display: "flex", gap: 8, minWidth: 0 }}><Link className="clip" style={{ flex: 1, fontWeight: 500 }} href={documentHref(found.document.id)} title={found.document.name}>{found.document.title ?? leaf(found.document.name)}</Link>{found.n_copies > 0 && <Link className="quiet" href={copiesHref(found.document.id)}>also in {plural(found.n_copies, "document")}</Link>}<span className="quiet tnum" title="How alike in meaning">{percent(Math.max(found.score, 0))}</span></div>
            {found.shared_entities.length > 0 && <div className="chips">{found.shared_entities.slice(0, 4).map((e) => <Link key={e.id} href={entityHref(e.id)} className="tag"><TypeDot type={e.type} />{e.name}</Link>)}</div>}
            {found.pair && (
              <details>
                <summary className="quiet" style={{ cursor: "pointer", fontSize: 12 }}>The passages most alike</summary>
                {([["Here", found.pair.mine], ["There", found.pair.theirs]] as const).map(([where, quote]) => (
                  <figure key={where} style={{ marginTop: 6 }}><h3>{where}</h3><blockquote className="quote" style={{ margin: 0, fontSize: 13 }}><Pieces pieces={quote.pieces} /></blockquote><Link style={{ fontSize: 12 }} href={quoteHref(quote)}>{quoteTitle(quote)}{quote.page ? `, p. ${quote.page}` : ""}</Link></figure>
                ))}
              </details>
            )}
          </article>
        ))}
    </>
  );
}
