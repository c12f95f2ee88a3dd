import { useEffect, useMemo, useRef, useState, type ReactNode } from "react";
import { Link } from "wouter";
import { useCall, useStatus } from "../api/hooks";
import type { Answer, DocumentShown, LookedAt, Quote } from "../api/types";
import { PageImage } from "../document/PageImage";
import { PageText } from "../document/TextPane";
import { usePage } from "../document/usePages";
import { Icon } from "../parts/icons";
import { Confidence, Empty, FaultCard, IconButton, leaf, Pieces, quoteTitle, Skeleton, SourceLink } from "../parts/parts";
import { ASK, copiesHref, quoteHref } from "../place/places";
import { usePlace } from "../place/usePlace";
import { AddButton } from "../shell/Drop";
import { duration, plural } from "../text/format";
import { plain } from "../text/runs";

export default function Ask() {
  const [place, move] = usePlace(ASK);
  const status = useStatus();
  const scope = place.f.document ?? [];
  const [typed, setTyped] = useState(place.q);
  const [arrived, setArrived] = useState(place.q);
  if (arrived !== place.q) { setArrived(place.q); setTyped(place.q); }
  const body = useMemo(() => ({ question: place.q.trim(), filters: place.f, limit: 5 }), [place.q, place.f]);
  const reply = useCall<Answer>("ask/answer", body, { enabled: place.q.trim() !== "", steady: true });
  const answer = reply.data;
  const cited = place.cite !== null ? answer?.sentences[place.cite - 1]?.quote : place.look !== null ? answer?.passages[place.look - 1]?.quote : undefined;
  const ask = () => { if (typed.trim()) move({ q: typed.trim(), cite: null, look: null }, true); };
  // The first citation opens by itself: an answer is only as good as the page it stands on.
  const opened = useRef<Answer>(null);
  useEffect(() => {
    if (answer && opened.current !== answer) {
      opened.current = answer;
      if (answer.found && place.cite === null && place.look === null && window.innerWidth > 1100) move({ cite: 1 });
    }
  }, [answer, place.cite, place.look, move]);
  return (
    <div className={`ask${cited ? " split" : ""}`}>
      <div className="ask-main">
        <div className="ask-inner">
          <form className="ask-form" onSubmit={(e) => { e.preventDefault(); ask(); }}>
            <label className="sr" htmlFor="question">Your question</label>
            <textarea id="question" data-find rows={1} value={typed} autoFocus={!place.q} placeholder="Ask your documents: who, when, how much, under which law …"
              onChange={(e) => setTyped(e.target.value)} onKeyDown={(e) => { if (e.key === "Enter" && !e.shiftKey && !e.nativeEvent.isComposing) { e.preventDefault(); ask(); } if (e.key === "Escape") e.currentTarget.blur(); }} />
            <button type="submit" className="btn main" disabled={!typed.trim()}>Ask</button>
          </form>
          {scope.length > 0 && <div className="chips" style={{ marginTop: 8 }}>{scope.map((id) => <Scope key={id} id={id} onDrop={() => move({ f: { ...place.f, document: scope.filter((d) => d !== id) } })} />)}</div>}
          {!place.q ? (
            status.data?.total === 0
              ? <Empty icon="ask" title="Nothing to ask yet" actions={<AddButton main>Choose files</AddButton>}>Add documents first. Answers are only ever sentences that stand in them.</Empty>
              : <Empty icon="ask" title="Answers in your documents' own words">Every answer is a sentence quoted from a document, with the page it stands on. Where the documents say nothing, so does Salient.</Empty>
          ) : reply.error ? <div style={{ marginTop: 18 }}><FaultCard error={reply.error} retry={() => void reply.refetch()} /></div>
            : !answer ? <div className="answer card" aria-live="polite"><p className="quiet">Reading the passages that come closest …</p><Skeleton lines={4} height={16} /></div>
            : <AnswerCard answer={answer} at={place.cite} look={place.look} onCite={(cite) => move({ cite, look: null }, true)} onLook={(look) => move({ look, cite: null }, true)} q={place.q} />}
        </div>
      </div>
      {cited && <Cited key={`${cited.document_id}.${cited.start}`} quote={cited} onClose={() => move({ cite: null, look: null })} />}
    </div>
  );
}

function Scope({ id, onDrop }: { id: string; onDrop: () => void }) {
  const shown = useCall<DocumentShown>("documents/show", { id });
  return <span className="tag">Only in {shown.data ? shown.data.document.title ?? leaf(shown.data.document.name) : id}<button type="button" className="btn bare small" style={{ height: 18, padding: 0 }} aria-label="Ask all documents" onClick={onDrop}><Icon name="close" /></button></span>;
}

const ALSO = 0.1;
/** Where nothing answers, nothing is marked as if it did. */
const unmarked = (quote: Quote): Quote => ({ ...quote, pieces: quote.pieces.map((p) => ({ ...p, hit: false })) });

function AnswerCard({ answer, at, look, onCite, onLook, q }: { answer: Answer; at: number | null; look: number | null; onCite: (n: number) => void; onLook: (n: number) => void; q: string }) {
  const [best] = answer.sentences;
  // The others stand beside the answer only where they may well be right too.
  const others = answer.sentences.map((sentence, i) => ({ sentence, n: i + 1 })).filter((o) => o.n > 1 && o.sentence.confidence >= ALSO);
  const short = answer.answer && best && answer.answer !== plain(best.quote.pieces) ? answer.answer : null;
  return (
    <div aria-live="polite">
      {answer.found && best ? (
        <section className="answer card" aria-label="Answer">
          {short && <p className="answer-short">{short}</p>}
          <Sentence n={1} quote={best.quote} at={at} onCite={onCite} after={<Beside sentence={best} />} lead={!short} />
          {others.length > 0 && (
            <div className="also">
              <h3>It also says</h3>
              {others.map(({ sentence: s, n }) => <Sentence key={`${s.quote.document_id}.${s.quote.start}`} n={n} quote={s.quote} at={at} onCite={onCite} after={<Beside sentence={s} />} />)}
            </div>
          )}
        </section>
      ) : (
        <section className="answer card none" aria-label="Answer">
          <p className="answer-short" style={{ fontSize: 19 }}>Not found in your documents</p>
          <p className="quiet">{(answer.reason ?? "No passage answers this surely enough.").replace(/^not found in your documents:\s*/i, "").replace(/^./, (c) => c.toUpperCase())}</p>
          {answer.sentences.length > 0 && <div className="also"><h3>The nearest there is, which may not answer</h3>{answer.sentences.slice(0, 3).map((s, i) => <Sentence key={`${s.quote.document_id}.${s.quote.start}`} n={i + 1} quote={unmarked(s.quote)} at={at} onCite={onCite} after={<Beside sentence={s} />} />)}</div>}
          <p><Link className="btn small" href={`/search?q=${encodeURIComponent(q)}`}><Icon name="search" />Search for the words instead</Link></p>
        </section>
      )}
      {answer.passages.length > 0 && (
        <details className="looked" open={look !== null || undefined}>
          <summary>{plural(answer.passages.length, "passage")} looked at <span className="quiet">in {duration(answer.seconds)}</span></summary>
          <ol>{answer.passages.map((passage, i) => <Looked key={`${passage.quote.document_id}.${passage.quote.start}`} passage={passage} on={look === i + 1} onLook={() => onLook(i + 1)} />)}</ol>
        </details>
      )}
    </div>
  );
}

/** How sure it is, and how many other documents are copies of the one quoted. */
function Beside({ sentence }: { sentence: Answer["sentences"][number] }) {
  return <><Confidence value={sentence.confidence} />{sentence.n_copies > 0 && <Link href={copiesHref(sentence.quote.document_id)}>also in {plural(sentence.n_copies, "document")}</Link>}</>;
}

function Sentence({ n, quote, at, onCite, after, lead = false }: { n: number; quote: Quote; at: number | null; onCite: (n: number) => void; after: ReactNode; lead?: boolean }) {
  return (
    <figure className={`sentence${at === n ? " on" : ""}`}>
      <button type="button" className="cite" aria-label={`Citation ${n}: show the page`} aria-pressed={at === n} onClick={() => onCite(n)}>{n}</button>
      <div style={{ minWidth: 0 }}>
        <blockquote className={`quote${lead ? " lead" : ""}`} style={{ margin: 0 }} onClick={() => onCite(n)}><Pieces pieces={quote.pieces} /></blockquote>
        <figcaption><SourceLink quote={quote} />{after}</figcaption>
      </div>
    </figure>
  );
}

function Looked({ passage, on, onLook }: { passage: LookedAt; on: boolean; onLook: () => void }) {
  return (
    <li className={on ? "on" : ""}>
      <blockquote className="quote" style={{ margin: 0, fontSize: 13.5 }}><Pieces pieces={passage.quote.pieces} /></blockquote>
      <div style={{ display: "flex", gap: 10, alignItems: "center" }}><SourceLink quote={passage.quote} /><button type="button" className="btn bare small" onClick={onLook}><Icon name="page" />Show the page</button></div>
    </li>
  );
}

const none = () => false;

/** The page that a citation stands on, with just its sentence marked. */
function Cited({ quote, onClose }: { quote: Quote; onClose: () => void }) {
  const mark = useMemo(() => ({ start: quote.start, end: quote.end }), [quote]);
  const page = usePage(quote.document_id, quote.view_page, mark, "");
  const pane = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (!page.data) return;
    const began = performance.now();
    let frame = requestAnimationFrame(function settle() {
      const target = pane.current?.querySelector("[data-hit='0'], mark.cur");
      if (target && pane.current) {
        const inner = target.getBoundingClientRect();
        const outer = pane.current.getBoundingClientRect();
        if (inner.top < outer.top + 40 || inner.bottom > outer.bottom - 40) pane.current.scrollTop += inner.top - outer.top - outer.height * 0.35;
      }
      if (performance.now() - began < 500) frame = requestAnimationFrame(settle);
    });
    return () => cancelAnimationFrame(frame);
  }, [page.data]);
  const aspect = page.data && page.data.width_pt > 0 ? page.data.width_pt / page.data.height_pt : 595 / 842;
  return (
    <aside className="cited" aria-label="The page cited">
      <header>
        <div style={{ minWidth: 0, flex: 1 }}><b className="clip" style={{ display: "block" }}>{quoteTitle(quote)}</b><span className="quiet clip" style={{ display: "block", fontSize: 12 }}>{leaf(quote.document_name)}{quote.page != null && ` · page ${quote.page}`}</span></div>
        <Link className="btn small" href={quoteHref(quote)}><Icon name="open" />Open</Link>
        <IconButton icon="close" label="Close the page" onClick={onClose} />
      </header>
      <div className="pane" ref={pane} tabIndex={0} role="region" aria-label="Page with the sentence marked">
        {page.error ? <FaultCard error={page.error} /> : !page.data ? <div style={{ padding: 20 }}><Skeleton lines={10} /></div>
          : page.data.image ? <div className="sheet" style={{ position: "relative", left: 0, margin: 14, aspectRatio: aspect }}><PageImage id={quote.document_id} version={quote.version} page={page.data} name={quoteTitle(quote)} shown={none} selected={null} /></div>
          : <div className="leaf" style={{ position: "static", background: "var(--panel)", minHeight: "100%" }}><section><PageText page={page.data} mark={mark} shown={none} selected={null} onSelect={none} /></section></div>}
      </div>
    </aside>
  );
}
