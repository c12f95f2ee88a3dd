import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { Link, useLocation } from "wouter";
import { originalUrl } from "../api/client";
import { useAction, useCall } from "../api/hooks";
import type { DocumentShown, Mention, Quote, Reference } from "../api/types";
import { Icon } from "../parts/icons";
import { Empty, FaultCard, IconButton, leaf, SearchBox, Segments, Skeleton, StateBadge, Tabs } from "../parts/parts";
import { PANES_PX, useNarrow } from "../parts/useNarrow";
import { useTyped } from "../parts/useTyped";
import { href, type PlaceOf } from "../place/codec";
import { ASK, DOCUMENT, documentHref, entityHref } from "../place/places";
import { useKeys } from "../place/useKeys";
import { usePlace } from "../place/usePlace";
import { count, languageName, mediaName, plural } from "../text/format";
import { AboutPane, SimilarPane } from "./AboutPane";
import { FactsPane } from "./FactsPane";
import { FindingsPane, Picked } from "./FindingsPane";
import { PagePane, type PaneProps } from "./PagePane";
import { TextPane } from "./TextPane";
import { mergedFindings, useFindings, useHits, usePage, type HitPlace } from "./usePages";
import type { Jump } from "./useWindow";

export default function DocumentView({ id }: { id: string }) {
  const shown = useCall<DocumentShown>("documents/show", { id });
  if (shown.error) return <div style={{ padding: 24, maxWidth: 640 }}><FaultCard error={shown.error} retry={() => void shown.refetch()} /><p style={{ marginTop: 12 }}><Link href="/documents">All documents</Link></p></div>;
  if (!shown.data) return <div style={{ padding: 24 }}><Skeleton lines={8} height={18} /></div>;
  return shown.data.document.state === "done" && shown.data.n_view_pages > 0 && !isContainer(shown.data) ? <Reading id={id} shown={shown.data} /> : <Unread shown={shown.data} />;
}

/** An archive: no words of its own, only documents. */
const isContainer = (shown: DocumentShown): boolean => shown.children.length > 0 && !shown.document.n_characters;

/** A document without text: why, and what can be done. */
function Unread({ shown }: { shown: DocumentShown }) {
  const { document } = shown;
  const action = useAction(["documents/show", "documents/list", "jobs/list"]);
  const busy = document.state === "queued" || document.state === "running";
  const holds = document.state === "done" && isContainer(shown);
  return (
    <div className="view">
      <Head shown={shown} />
      <div className="scroll">
        <Empty icon={busy || holds ? "documents" : "warn"} title={holds ? `It holds ${plural(shown.children.length, "document")}` : busy ? "This document is being read" : document.state === "done" ? "There is no text in it" : document.state === "duplicate" ? "The same bytes are here already" : "This document could not be read"}
          actions={<>
            {document.duplicate_of && <Link className="btn main" href={documentHref(document.duplicate_of)}>Open the other one</Link>}
            {!busy && !holds && document.state !== "duplicate" && <button type="button" className="btn main" disabled={action.busy} onClick={() => void action.act("jobs/documents/retry", { ids: [document.id] })}><Icon name="retry" />Read it again</button>}
            <a className="btn" href={originalUrl(document.id)}><Icon name="open" />Original file</a>
          </>}>
          {holds ? "Each was read as a document of its own." : <><StateBadge state={document.state} stage={document.stage} /><br /><span className="sentence-case">{document.reason}</span></>}
          {document.attempts > 1 && <><br />Tried {plural(document.attempts, "time")}.</>}
        </Empty>
        {action.fault && <div className="pad"><FaultCard error={action.fault} /></div>}
        {(shown.children.length > 0 || shown.parent) && <div style={{ maxWidth: 460, margin: "0 auto" }}><AboutPane shown={shown} /></div>}
      </div>
    </div>
  );
}

function Head({ shown }: { shown: DocumentShown }) {
  const { document } = shown;
  const name = leaf(document.name);
  return (
    <header className="doc-head">
      <Link href="/documents" className="btn bare small" aria-label="All documents"><Icon name="left" /></Link>
      <div className="titles">
        <h1 className="clip" title={document.name}>{document.title || name}</h1>
        <div className="facts">
          {document.title && <span className="clip">{name}</span>}<span>{mediaName(document.media_type)}</span>
          {document.n_pages ? <span>{plural(document.n_pages, "page")}</span> : null}
          {document.language && document.language !== "und" && <span>{languageName(document.language)}</span>}
          {shown.parent && <span>inside <Link href={documentHref(shown.parent.id)}>{shown.parent.title ?? leaf(shown.parent.name)}</Link></span>}
          {shown.children.length > 0 && <span>{plural(shown.children.length, "document")} inside</span>}
        </div>
      </div>
      {document.state === "done" && !isContainer(shown) && <Link className="btn" aria-label="Ask about it" href={href("/ask", ASK, { f: { document: [document.id] } })}><Icon name="ask" /><span className="wide">Ask about it</span></Link>}
      <a className="btn" aria-label="Original" href={originalUrl(document.id)} target="_blank" rel="noreferrer"><Icon name="open" /><span className="wide">Original</span></a>
    </header>
  );
}

function Reading({ id, shown }: { id: string; shown: DocumentShown }) {
  const [place, move] = usePlace(DOCUMENT);
  const [, navigate] = useLocation();
  const { document } = shown;
  const pages = shown.n_view_pages;
  const page = Math.min(place.page, pages);
  const found = useFindings(id, true);
  const mark = useMemo(() => (place.start !== null && place.end !== null && place.end > place.start ? { start: place.start, end: place.end } : null), [place.start, place.end]);
  // What stands on the page in sight is known before the rest of a long document has come.
  const here = usePage(id, page, mark, place.q).data;
  const findings = useMemo(() => (found.complete || !here ? found : { ...found, mentions: mergedFindings(found.mentions, here.mentions) }), [found, here]);
  const { hits, capped } = useHits(id, place.q);
  const [typed, type] = useTyped(place.q, (q) => move({ q, start: null, end: null }));

  const hide = place.hide.join("\n");
  const test = useMemo(() => {
    const hidden = new Set(hide ? hide.split("\n") : []);
    return (m: Mention) => !hidden.has(m.label) && m.score * 100 >= place.min;
  }, [hide, place.min]);
  const visible = useMemo(() => findings.mentions.filter(test), [findings.mentions, test]);
  const selected = useMemo(() => (place.m === null ? null : (findings.mentions.find((m) => m.ordinal === place.m) ?? null)), [findings.mentions, place.m]);

  const serial = useRef(1);
  const [jump, setJump] = useState<Jump>(() => ({ page, serial: serial.current, find: place.m !== null ? `[data-m="${place.m}"]` : place.start !== null ? "mark.cur, [data-hit='0']" : null }));
  const go = useCallback((to: number, find: string | null) => setJump({ page: to, find, serial: ++serial.current }), []);
  const turn = useCallback((to: number) => {
    const next = Math.max(1, Math.min(pages, to));
    move({ page: next });
    go(next, null);
  }, [pages, move, go]);
  // Steps asked for while what they lead to has not come yet; they are taken when it has, unless something is chosen meanwhile.
  const waiting = useRef(0);
  const select = useCallback((mention: Mention) => {
    waiting.current = 0;
    move({ m: mention.ordinal, page: mention.view_page });
    go(mention.view_page, `[data-m="${mention.ordinal}"]`);
  }, [move, go]);
  const stepped = (by: number) => {
    const at = selected ? visible.findIndex((m) => m.ordinal === selected.ordinal) : -1;
    if (at >= 0) return at + by;
    // With nothing selected, begin at the marked passage, else at the page in sight.
    const ahead = visible.findIndex((m) => (place.start !== null ? m.start >= place.start : m.view_page >= page));
    return ahead >= 0 ? ahead + Math.max(by - 1, 0) : findings.complete ? visible.length - 1 : -1;
  };
  const step = (by: number) => {
    const next = visible[stepped(by)];
    if (next) select(next);
    else if (!findings.complete) waiting.current += by;
  };
  useEffect(() => {
    const next = waiting.current ? visible[stepped(waiting.current)] : undefined;
    if (findings.complete) waiting.current = 0;
    if (next) select(next);
  });
  const toHit = (hit: HitPlace) => {
    move({ start: hit.start, end: hit.end, page: hit.page, m: null });
    go(hit.page, "mark.cur, [data-hit='0']");
  };
  const at = place.start === null ? -1 : hits.findIndex((h) => h.start <= place.start! && place.start! < h.end);
  const stepHit = (by: number) => {
    if (!hits.length) return;
    if (at >= 0) return toHit(hits[(at + by + hits.length) % hits.length]!);
    const from = place.start;
    const ahead = from !== null ? hits.findIndex((h) => h.start >= from) : hits.findIndex((h) => h.page >= page);
    toHit(hits[by > 0 ? Math.max(ahead, 0) : (Math.max(ahead, 0) - 1 + hits.length) % hits.length]!);
  };
  // A search typed here goes to its first hit; one that came with a link stays at the link's passage.
  const arrived = useRef(place.q);
  useEffect(() => {
    if (place.q !== arrived.current && hits.length) {
      arrived.current = place.q;
      const first = hits.find((h) => h.page >= page) ?? hits[0]!;
      toHit(first);
    }
  });
  const follow = useCallback((to: number) => move((now) => (now.page === to ? {} : { page: to })), [move]);
  useKeys("document", {
    nextFinding: () => step(1), previousFinding: () => step(-1), nextHit: () => stepHit(1), previousHit: () => stepHit(-1),
    nextPage: () => turn(page + 1), previousPage: () => turn(page - 1),
    openEntity: () => selected?.entity_id && navigate(entityHref(selected.entity_id)),
    clear: () => {
      waiting.current = 0;
      move({ m: null, start: null, end: null });
    },
  });

  const narrow = useNarrow(PANES_PX);
  const view = viewOf(place, narrow, shown.has_images);
  const choose = useCallback((mention: Mention) => { if (narrow) move({ view: "text" }); select(mention); }, [narrow, move, select]);
  // The finding stays selected, so that the next of its references can be looked at.
  const toReference = (one: Reference) => {
    move({ start: one.start, end: one.end, page: one.view_page, ...(narrow ? { view: "text" as const } : {}) });
    go(one.view_page, "mark.cur, [data-hit='0']");
  };
  const toQuote = (quote: Quote) => {
    move({ start: quote.start, end: quote.end, page: quote.view_page, m: null, ...(narrow ? { view: "text" as const } : {}) });
    go(quote.view_page, "mark.cur, [data-hit='0']");
  };
  const pane: PaneProps = {
    id, version: document.version, name: document.title ?? leaf(document.name), count: pages, mark, query: place.q, page, jump,
    selected: place.m, selectedPage: selected?.view_page ?? (place.m !== null ? page : null), shown: test, onSelect: select, onPage: follow,
  };
  return (
    <div className="doc">
      <Head shown={shown} />
      <div>
        {document.notes.length > 0 && <Notes notes={document.notes} />}
        <div className="doc-bar">
          <div className="pager" role="group" aria-label="Pages">
            <IconButton icon="left" label="Previous page ([)" onClick={() => turn(page - 1)} disabled={page <= 1} />
            <input aria-label="Page" inputMode="numeric" key={page} defaultValue={page} onKeyDown={(e) => { if (e.key === "Enter") turn(Number(e.currentTarget.value) || page); }} onBlur={(e) => { const to = Number(e.target.value); if (to && to !== page) turn(to); }} />
            <span className="quiet">&nbsp;/ {count(pages)}</span>
            <IconButton icon="right" label="Next page (])" onClick={() => turn(page + 1)} disabled={page >= pages} />
          </div>
          <SearchBox value={typed} onChange={type} label="Find in this document" placeholder="Find in this document" />
          {place.q && (
            <div className="pager" aria-live="polite">
              <span className="quiet" style={{ fontSize: 12 }}>{hits.length ? `${at >= 0 ? `${at + 1} of ` : ""}${plural(hits.length, "match", "matches")}${capped ? " or more" : ""}` : "No match"}</span>
              <IconButton icon="up" label="Previous match (N)" onClick={() => stepHit(-1)} disabled={!hits.length} />
              <IconButton icon="down" label="Next match (n)" onClick={() => stepHit(1)} disabled={!hits.length} />
            </div>
          )}
          <span className="grow" />
          {(narrow || shown.has_images) && <Segments label="What is shown" value={view} onChange={(v) => move({ view: v })} options={VIEWS.filter((v) => (narrow ? v.value !== "both" && (v.value !== "page" || shown.has_images) : v.value !== "side"))} />}
        </div>
      </div>
      <div className={`panes show-${view}`}>
        {(view === "both" || view === "page") && <PagePane {...pane} />}
        {(view === "both" || view === "text") && <TextPane {...pane} paged={shown.paged} />}
        {narrow && view !== "side" && selected && <Picked id={id} mention={selected} step={step} onReference={toReference} />}
        {(!narrow || view === "side") && <aside className="side" aria-label="Findings and details">
          <Tabs label="Beside the document" value={place.side} onChange={(side) => move({ side })} options={[{ value: "findings", name: "Findings", n: findings.complete || findings.total ? findings.total : null }, { value: "facts", name: "Facts", n: shown.n_facts }, { value: "about", name: "About" }, { value: "similar", name: "Similar", n: shown.n_copies || null }]} />
          {place.side === "findings" && <FindingsPane id={id} onReference={toReference} all={findings.mentions} visible={visible} total={findings.total} complete={findings.complete} error={findings.error} hidden={place.hide} onHidden={(labels) => move({ hide: labels })}
            min={place.min} onMin={(min) => move({ min })} group={place.group} onGroup={(group) => move({ group })} selected={selected} onSelect={choose} step={step} />}
          {place.side === "facts" && <FactsPane id={id} onQuote={toQuote} />}
          {place.side === "about" && <AboutPane shown={shown} />}
          {place.side === "similar" && <SimilarPane id={id} nCopies={shown.n_copies} />}
        </aside>}
      </div>
    </div>
  );
}

type View = PlaceOf<typeof DOCUMENT>["view"];
const VIEWS: readonly { value: View; name: string }[] = [{ value: "both", name: "Both" }, { value: "page", name: "Page" }, { value: "text", name: "Text" }, { value: "side", name: "Findings" }];

/** The pane or panes to show: what the address asks for, as far as the window and the document allow. */
function viewOf(place: PlaceOf<typeof DOCUMENT>, narrow: boolean, images: boolean): View {
  if (!narrow) return !images ? "text" : place.view === "side" ? "both" : place.view;
  if (place.view === "both") return place.side === "findings" ? "text" : "side";
  return place.view === "page" && !images ? "text" : place.view;
}

function Notes({ notes }: { notes: readonly string[] }) {
  return (
    <div className="banner">
      <div className="note" role="note"><Icon name="warn" />
        {notes.length === 1 ? <span>{notes[0]}</span> : <details><summary>{notes[0]} <span className="quiet">and {notes.length - 1} more</span></summary><ul>{notes.slice(1).map((note) => <li key={note}>{note}</li>)}</ul></details>}
      </div>
    </div>
  );
}
