import { useCallback, useMemo, useRef, useState } from "react";
import { Link, useLocation } from "wouter";
import { useWindowed } from "../api/windowed";
import type { Entity, EntityList } from "../api/types";
import { ExportMenu } from "../parts/ExportMenu";
import { Icon } from "../parts/icons";
import { Empty, FaultCard, SearchBox, Skeleton, TypeDot, TypeTag } from "../parts/parts";
import { Rows } from "../parts/Rows";
import { useTyped } from "../parts/useTyped";
import { ENTITIES, entityHref, graphHref } from "../place/places";
import { useKeys } from "../place/useKeys";
import { usePlace } from "../place/usePlace";
import { count, plural } from "../text/format";
import { lookOf, orderLabels } from "../text/labels";
import { MergeDialog } from "./dialogs";

const COLUMNS = "18px 124px minmax(190px, 1fr) minmax(140px, 0.9fr) 118px 84px 84px";
export const ORIGINS: Record<string, string> = { kb: "Knowledge base", found: "Found", person: "Made by hand" };

export default function Entities() {
  const [place, move] = usePlace(ENTITIES);
  const [, navigate] = useLocation();
  const [typed, type] = useTyped(place.q, (q) => move({ q }));
  const scroller = useRef<HTMLDivElement>(null);
  const [at, setAt] = useState<number | null>(null);
  const [chosen, setChosen] = useState<ReadonlyMap<string, Entity>>(new Map());
  const [merging, setMerging] = useState(false);
  const body = useMemo(() => ({ query: place.q || null, types: place.type, origin: place.origin || null, sort: place.sort }), [place]);
  const list = useWindowed<EntityList, Entity>("entities/list", body, (reply) => reply.entities);
  const { row } = list;
  const toggle = useCallback((entity: Entity) => setChosen((before) => { const after = new Map(before); if (!after.delete(entity.id)) after.set(entity.id, entity); return after; }), []);
  useKeys("lists", {
    rowDown: () => setAt((i) => Math.min(list.total - 1, (i ?? -1) + 1)), rowUp: () => setAt((i) => Math.max(0, (i ?? 1) - 1)),
    rowOpen: () => { const found = at === null ? undefined : row(at); if (found) navigate(entityHref(found.id)); },
    rowSelect: () => { const found = at === null ? undefined : row(at); if (found) toggle(found); },
  });
  const counts = Object.fromEntries((list.head?.types ?? []).map((t) => [t.value, t.n]));
  for (const taken of place.type) counts[taken] ??= 0;
  const narrowed = Boolean(place.q || place.type.length || place.origin);
  const clear = () => { type(""); move({ q: "", type: [], origin: "" }); };
  const sorter = (sort: typeof place.sort, name: string, right = false) => (
    <span className={right ? "right" : ""}><button type="button" aria-pressed={place.sort === sort} onClick={() => move({ sort })}>{name}{place.sort === sort && <Icon name={sort === "name" ? "up" : "down"} />}</button></span>
  );
  const render = (index: number) => {
    const entity = row(index);
    if (!entity) return <div className="grid-row"><Skeleton lines={1} /></div>;
    const others = entity.aliases.filter((a) => a !== entity.name);
    return (
      <div className={`grid-row${index === at ? " at" : ""}${chosen.has(entity.id) ? " on" : ""}`}>
        <input type="checkbox" checked={chosen.has(entity.id)} onChange={() => toggle(entity)} aria-label={`Select ${entity.name}`} />
        <span className="type-cell"><TypeTag type={entity.type} /></span>
        <div className="name-cell"><Link className="clip" href={entityHref(entity.id)} title={entity.name}>{entity.name}</Link></div>
        <span className="quiet clip also-cell" title={others.join("\n")}>{others.length ? others.slice(0, 4).join(" · ") : ""}</span>
        <span className="quiet extra">{ORIGINS[entity.origin] ?? entity.origin}</span>
        <span className="right tnum n-cell">{count(entity.n_mentions)}</span><span className="right tnum quiet extra">{count(entity.n_documents)}</span>
      </div>
    );
  };
  return (
    <div className="view">
      <header className="head">
        <h1>Entities</h1><span className="quiet tnum">{list.head ? count(list.total) : ""}</span><span className="grow" />
        <ExportMenu what="entities" noun="entity" many="entities" /><ExportMenuFacts />
      </header>
      <div className="tools">
        <SearchBox value={typed} onChange={type} label="Find an entity" placeholder="Find by any of its names" />
        <div className="chips" role="group" aria-label="Filter by type">
          {orderLabels(counts).map((label) => <button key={label} type="button" className={`chip off-plain hue-${lookOf(label).hue}`} aria-pressed={place.type.includes(label)} onClick={() => move({ type: place.type.includes(label) ? place.type.filter((t) => t !== label) : [...place.type, label] })}><TypeDot type={label} />{lookOf(label).plural} <span className="n">{count(counts[label]!)}</span></button>)}
        </div>
        <select aria-label="Where it comes from" value={place.origin} onChange={(e) => move({ origin: e.target.value as typeof place.origin })}>
          <option value="">Any origin</option>{Object.entries(ORIGINS).map(([value, name]) => <option key={value} value={value}>{name}</option>)}
        </select>
        {narrowed && <button type="button" className="btn bare small" onClick={clear}>Clear</button>}
      </div>
      {chosen.size > 0 && (
        <div className="selbar" role="region" aria-label="Selected entities">
          <b>{plural(chosen.size, "entity", "entities")} selected</b>
          <button type="button" className="btn small" disabled={chosen.size < 2} onClick={() => setMerging(true)}><Icon name="merge" />Merge</button>
          <Link className="btn small" href={graphHref(...[...chosen.keys()].slice(0, 10))}><Icon name="graph" />Show in the graph</Link>
          <button type="button" className="btn bare small" onClick={() => setChosen(new Map())}>Let go</button>
        </div>
      )}
      <div className="scroll" ref={scroller} tabIndex={-1}>
        {list.error ? <div className="pad"><FaultCard error={list.error} retry={list.refetch} /></div>
          : list.pending ? <div className="pad"><Skeleton lines={9} height={24} /></div>
          : list.total === 0 ? <Empty icon="entities" title={narrowed ? "Nobody and nothing fits" : "No entities yet"} actions={narrowed ? <button type="button" className="btn" onClick={clear}>Clear the filters</button> : <Link className="btn" href="/documents">Add documents</Link>}>{narrowed ? "No entity has that name, type and origin." : "People, organisations and places appear here as documents are read."}</Empty>
          : <div className="table-of-entities" style={{ "--cols": COLUMNS } as React.CSSProperties} role="region" aria-label="Entities">
              <div className="grid-head"><span /><span>Type</span>{sorter("name", "Name")}<span>Also written</span><span>Origin</span>{sorter("mentions", "Mentions", true)}{sorter("documents", "Documents", true)}</div>
              <Rows total={list.total} scroller={scroller} estimate={44} row={render} label="Entities" at={at} near={list.near} top={30} />
            </div>}
      </div>
      <MergeDialog key={merging ? "open" : "shut"} opened={merging} entities={[...chosen.values()]} onClose={() => setMerging(false)} onDone={(id) => { setMerging(false); setChosen(new Map()); if (id) navigate(entityHref(id)); }} />
    </div>
  );
}

function ExportMenuFacts() {
  return <ExportMenu what="graph" noun="graph" many="entities and facts" forms={["graphml", "jsonld", "csv"]} label="Export graph" />;
}
