import { useInfiniteQuery } from "@tanstack/react-query";
import { useCallback, useMemo, useRef, useState } from "react";
import { Link, useLocation } from "wouter";
import { call } from "../api/client";
import { useCall, useStatus } from "../api/hooks";
import type { DocumentHit, Entity, FacetValue, PassageHit, SearchReply } from "../api/types";
import { Icon } from "../parts/icons";
import { Empty, FaultCard, leaf, Pieces, QuoteBlock, SearchBox, Segments, Skeleton, Tabs, Time, TypeTag } from "../parts/parts";
import { useTyped } from "../parts/useTyped";
import { copiesHref, documentHref, entityHref, quoteHref, SEARCH } from "../place/places";
import { useKeys } from "../place/useKeys";
import { usePlace } from "../place/usePlace";
import { AddButton } from "../shell/Drop";
import { count, duration, mediaName, plural } from "../text/format";
import { Grammar } from "./Grammar";
import { Facets, FACETS, valueName } from "./Facets";

const STEP = 20;
const DAY = /^\d{4}-\d{2}-\d{2}$/;

export default function Search() {
  const [place, move] = usePlace(SEARCH);
  const [, navigate] = useLocation();
  const [typed, type] = useTyped(place.q, (q) => move({ q }));
  const [typedPattern, typePattern] = useTyped(place.p, (p) => move({ p }), 400);
  const grammar = place.tab === "grammar";
  const status = useStatus();
  const list = useRef<HTMLDivElement>(null);
  const [filtering, setFiltering] = useState(false);
  const nFilters = [...Object.values(place.f), ...Object.values(place.x)].reduce((n, values) => n + values.length, 0) + Number(Boolean(place.from)) + Number(Boolean(place.to));
  const narrowed = Object.keys(place.f).length + Object.keys(place.x).length > 0 || Boolean(place.from || place.to);
  const asked = place.q.trim() !== "" || narrowed;
  const body = useMemo(() => ({
    text: place.q, mode: place.mode, filters: place.f, exclude: place.x,
    date_from: DAY.test(place.from) ? place.from : null, date_to: DAY.test(place.to) ? place.to : null,
  }), [place]);

  const documents = useHitPages<DocumentHit>("search/documents", body, asked && place.tab === "documents");
  const passages = useHitPages<PassageHit>("search/passages", body, asked && place.tab === "passages");
  // Only the number is wanted of the tabs that are not open.
  const nDocuments = useCall<SearchReply<DocumentHit>>("search/documents", { ...body, limit: 1, facets: [] }, { enabled: asked && place.tab !== "documents", keep: true });
  const nPassages = useCall<SearchReply<PassageHit>>("search/passages", { ...body, limit: 1, facets: [] }, { enabled: asked && place.tab !== "passages", keep: true });
  const entities = useCall<{ total: number; entities: Entity[] }>("entities/list", { query: place.q.trim(), limit: 60 }, { enabled: place.q.trim() !== "", keep: true });

  const open = place.tab === "passages" ? passages : documents;
  const head = open.data?.pages[0];
  const facets = head?.facets;
  const seen = useRef(new Map<string, string>());
  for (const [field, values] of Object.entries(facets ?? {})) for (const v of values) seen.current.set(`${field}\n${v.value}`, v.label);
  const missing = (place.f.entity ?? []).concat(place.x.entity ?? []).filter((v) => !seen.current.has(`entity\n${v}`));
  const named = useCall<{ entity: Entity }>("entities/show", { id: missing[0] ?? "" }, { enabled: missing.length > 0 && facets !== undefined, steady: true });
  const names = (field: string, value: string) => seen.current.get(`${field}\n${value}`) ?? (field === "entity" && named.data?.entity.id === value ? named.data.entity.name : value);

  const focusHit = (by: number) => {
    const hits = [...(list.current?.querySelectorAll<HTMLElement>("[data-hit-link]") ?? [])];
    const at = hits.indexOf(document.activeElement as HTMLElement);
    hits[Math.max(0, Math.min(hits.length - 1, at + by))]?.focus();
  };
  useKeys("lists", { rowDown: () => focusHit(1), rowUp: () => focusHit(-1) });
  const clear = () => move({ f: {}, x: {}, from: "", to: "" });

  return (
    <div className="view">
      <header className="search-head">
        {!grammar && <form role="search" onSubmit={(e) => { e.preventDefault(); move({ q: typed }, true); }} style={{ display: "grid", gap: 10, gridTemplateColumns: "minmax(0, 1fr)" }}>
          <SearchBox big autoFocus value={typed} onChange={type} label="Search all documents" placeholder="Words, “an exact phrase”, -without, field:value" />
        </form>}
        <div className="search-bar">
          <Tabs label="Results" value={place.tab} onChange={(tab) => move({ tab }, true)} options={[
            { value: "documents", name: "Documents", n: asked ? (place.tab === "documents" ? head?.total : nDocuments.data?.total) ?? null : null },
            { value: "passages", name: "Passages", n: asked ? (place.tab === "passages" ? head?.total : nPassages.data?.total) ?? null : null },
            { value: "entities", name: "Entities", n: place.q.trim() ? entities.data?.total ?? null : null },
            { value: "grammar", name: "Grammar" },
          ]} />
          <span style={{ flex: 1 }} />
          {head && !grammar && place.tab !== "entities" && <span className="quiet tnum" style={{ fontSize: 12 }}>{duration(head.seconds)}</span>}
          {asked && !grammar && place.tab !== "entities" && <button type="button" className="btn small only-narrow" aria-expanded={filtering} onClick={() => setFiltering(!filtering)}>{filtering ? "Show the results" : nFilters ? `Filters (${nFilters})` : "Filters"}</button>}
          {!grammar && <Segments label="How to match" value={place.mode} onChange={(mode) => move({ mode })} options={[{ value: "hybrid", name: "Both", hint: "Words and meaning together" }, { value: "keyword", name: "Words", hint: "Only the words you typed" }, { value: "meaning", name: "Meaning", hint: "Passages near in meaning" }]} />}
        </div>
      </header>
      {grammar ? <Grammar pattern={place.p} typed={typedPattern} type={typePattern} /> : !asked ? (
        status.data?.total === 0
          ? <Empty icon="search" title="Nothing to search yet" actions={<AddButton main>Choose files</AddButton>}>Add documents first; they can be searched as soon as they are read.</Empty>
          : <Empty icon="search" title={`Search ${status.data ? plural(status.data.total, "document") : "your documents"}`} actions={<Link className="btn" href="/ask"><Icon name="ask" />Or ask a question</Link>}>
              Results open at the passage that was found. Quotation marks keep words together, a minus leaves a word out, an asterisk ends a beginning: <span className="mono">“supply agreement” -draft terminat*</span>
            </Empty>
      ) : (
        <div className={`search-body${filtering && place.tab !== "entities" ? " filtering" : ""}`}>
          <aside className="facets" aria-label="Narrow the result">
            {narrowed && <button type="button" className="btn small" style={{ marginBottom: 14 }} onClick={clear}><Icon name="close" />Clear all filters</button>}
            <Facets facets={facets} include={place.f} exclude={place.x} names={names} stale={open.isPlaceholderData} onChange={(f, x) => move({ f, x }, true)} />
            <section style={{ marginTop: 18, display: "grid", gap: 6 }} aria-label="Dates">
              <h3>Dated</h3>
              <label className="quiet">from<input type="date" value={place.from} onChange={(e) => move({ from: e.target.value })} /></label>
              <label className="quiet">to<input type="date" value={place.to} onChange={(e) => move({ to: e.target.value })} /></label>
            </section>
          </aside>
          <div className="results" ref={list} tabIndex={-1}>
            {place.tab === "entities" ? <EntityHits reply={entities} asked={place.q.trim() !== ""} /> : (
              <Hits reply={open} narrowed={narrowed} clear={clear} q={place.q}
                row={(hit) => ("document" in hit ? <DocumentResult key={hit.document.id} hit={hit} q={place.q} facets={facets} open={navigate} /> : <PassageResult key={`${hit.quote.document_id}.${hit.quote.start}`} hit={hit} q={place.q} />)} />
            )}
          </div>
        </div>
      )}
    </div>
  );
}

function useHitPages<Hit>(service: string, body: object, enabled: boolean) {
  return useInfiniteQuery({
    queryKey: [service, body, "pages"],
    initialPageParam: 0,
    queryFn: ({ pageParam, signal }) => call<SearchReply<Hit>>(service, { ...body, facets: pageParam === 0 ? FACETS : [], offset: pageParam, limit: STEP }, signal),
    getNextPageParam: (last: SearchReply<Hit>, pages) => { const n = pages.length * STEP; return n < last.total && last.hits.length ? n : undefined; },
    placeholderData: (before) => before,
    enabled,
  });
}
type HitPages<Hit> = ReturnType<typeof useHitPages<Hit>>;

function Hits({ reply, row, narrowed, clear, q }: { reply: HitPages<DocumentHit> | HitPages<PassageHit>; row: (hit: DocumentHit | PassageHit) => React.ReactNode; narrowed: boolean; clear: () => void; q: string }) {
  const more = useRef<IntersectionObserver>(null);
  const { fetchNextPage } = reply;
  const watch = useCallback((end: HTMLElement | null) => {
    more.current?.disconnect();
    if (!end) return;
    more.current = new IntersectionObserver((seen) => seen[0]?.isIntersecting && void fetchNextPage(), { rootMargin: "600px" });
    more.current.observe(end);
  }, [fetchNextPage]);
  if (reply.error) return <FaultCard error={reply.error} retry={() => void reply.refetch()} />;
  if (!reply.data) return <Skeleton lines={9} height={18} />;
  const hits = reply.data.pages.flatMap((p) => p.hits as (DocumentHit | PassageHit)[]);
  if (!hits.length) return <Empty icon="search" title="Nothing was found" actions={narrowed ? <button type="button" className="btn" onClick={clear}>Clear the filters</button> : q ? <Link className="btn" href={`/ask?q=${encodeURIComponent(q)}`}><Icon name="ask" />Ask it as a question</Link> : null}>{narrowed ? "No document has these words and passes all filters." : "No document has these words. Fewer words, or matching by meaning, find more."}</Empty>;
  return (
    <div role="list" aria-label="Found" style={{ opacity: reply.isPlaceholderData ? 0.6 : 1 }}>
      {hits.map(row)}
      {reply.hasNextPage && <div ref={watch} style={{ padding: 20 }}><Skeleton lines={2} /></div>}
    </div>
  );
}

function DocumentResult({ hit, q }: { hit: DocumentHit; q: string; facets: Record<string, FacetValue[]> | undefined; open: (to: string) => void }) {
  const { document, quotes, n_copies } = hit;
  const [first] = quotes;
  const name = leaf(document.name);
  return (
    <article role="listitem" className="result">
      <header><Link data-hit-link href={first ? quoteHref(first, q) : documentHref(document.id, q)} className="result-title">{document.title || name}</Link></header>
      <div className="result-meta"><span>{mediaName(document.media_type)}</span>{document.title && <span className="clip">{name}</span>}{document.n_pages ? <span>{plural(document.n_pages, "page")}</span> : null}<Time iso={document.added_at} />{n_copies > 0 && <Link href={copiesHref(document.id)}>also in {plural(n_copies, "document")}</Link>}</div>
      {quotes.map((quote) => (
        <Link key={quote.start} href={quoteHref(quote, q)} className="snippet">
          <span className="snippet-page tnum">{quote.page != null ? `p. ${quote.page}` : "¶"}</span>
          <span className="quote"><Pieces pieces={quote.pieces} /></span>
        </Link>
      ))}
    </article>
  );
}

function PassageResult({ hit, q }: { hit: PassageHit; q: string }) {
  return (
    <article role="listitem" className="result">
      <QuoteBlock quote={hit.quote} query={q} after={<Link data-hit-link className="btn bare small" href={quoteHref(hit.quote, q)}>Open at the passage</Link>} />
    </article>
  );
}

function EntityHits({ reply, asked }: { reply: { data?: { total: number; entities: Entity[] }; error: unknown }; asked: boolean }) {
  if (!asked) return <Empty icon="entities" title="Type a name">Filters narrow documents and passages; entities are found by name.</Empty>;
  if (reply.error) return <FaultCard error={reply.error} />;
  if (!reply.data) return <Skeleton lines={6} height={18} />;
  if (!reply.data.total) return <Empty icon="entities" title="Nobody and nothing of that name" actions={<Link className="btn" href="/entities">All entities</Link>} />;
  return (
    <div role="list" aria-label="Entities">
      {reply.data.entities.map((entity) => (
        <article key={entity.id} role="listitem" className="result entity-result">
          <TypeTag type={entity.type} /><Link data-hit-link className="result-title" href={entityHref(entity.id)}>{entity.name}</Link>
          <span className="quiet clip">{entity.aliases.slice(0, 3).join(" · ")}</span>
          <span className="quiet tnum" style={{ marginLeft: "auto", whiteSpace: "nowrap" }}>{count(entity.n_mentions)} in {plural(entity.n_documents, "document")}</span>
        </article>
      ))}
      {reply.data.total > reply.data.entities.length && <p style={{ padding: 14 }}><Link href={`/entities`}>All {count(reply.data.total)}</Link></p>}
    </div>
  );
}
export { valueName };
