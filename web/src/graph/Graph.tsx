import { useMemo, useState } from "react";
import { Link } from "wouter";
import { useCall } from "../api/hooks";
import type { EntityCount, FoundEvidence, GraphEdge, GraphNode, Neighbourhood } from "../api/types";
import { ExportMenu } from "../parts/ExportMenu";
import { Icon } from "../parts/icons";
import { Confidence, Empty, FaultCard, IconButton, QuoteBlock, SearchBox, Skeleton, TypeDot, TypeTag } from "../parts/parts";
import { entityHref, GRAPH } from "../place/places";
import { usePlace } from "../place/usePlace";
import { count, plural } from "../text/format";
import { lookOf, orderLabels } from "../text/labels";
import { Canvas } from "./Canvas";

const MOST = 300;

export default function Graph() {
  const [place, move] = usePlace(GRAPH);
  const [text, setText] = useState("");
  const suggest = useCall<{ entities: EntityCount[] }>("search/suggest", { text: text.trim(), limit: 10 }, { enabled: text.trim() !== "", keep: true });
  const kinds = useMemo(() => [place.facts && "fact", place.together && "together"].filter(Boolean), [place.facts, place.together]);
  const centres = useMemo(() => [...new Set([...place.at, ...place.open])].slice(0, 50), [place.at, place.open]);
  const body = useMemo(() => ({ ids: centres, depth: 1, kinds, limit: place.limit }), [centres, kinds, place.limit]);
  const near = useCall<Neighbourhood>("graph/neighbours", body, { enabled: centres.length > 0 && kinds.length > 0, keep: true });
  const path = useCall<{ found: boolean; nodes: GraphNode[]; edges: GraphEdge[] }>("graph/path", { source: place.at[0] ?? "", target: place.to, max_length: 5, kinds }, { enabled: Boolean(place.to && place.at[0] && kinds.length) });
  const graph = useMemo(() => joined(centres.length && kinds.length ? near.data : undefined, place.to ? path.data : undefined), [near.data, path.data, place.to, centres.length, kinds.length]);
  const nodes = new Map(graph.nodes.map((n) => [n.id, n]));
  const edge = graph.edges.find((e) => e.id === place.edge);
  const node = nodes.get(place.node);
  const add = (id: string) => { setText(""); move({ at: [...new Set([...place.at, id])], node: id, edge: "" }, true); };
  const expand = (id: string) => move({ open: place.open.includes(id) ? place.open.filter((o) => o !== id) : [...place.open, id] }, true);
  const toNode = (id: string) => move({ node: id, edge: "" }, true);
  const toEdge = (id: string) => move({ edge: id, node: "" }, true);
  const onPath = useMemo(() => new Set(path.data && place.to ? path.data.edges.map((e) => e.id) : []), [path.data, place.to]);

  return (
    <div className="view">
      <header className="head">
        <h1>Graph</h1>
        <div className="suggest">
          <SearchBox value={text} onChange={setText} label="Add an entity to the graph" placeholder="Add a person, organisation, place …" autoFocus={!place.at.length} />
          {text.trim() && suggest.data && (
            <ul className="menu" aria-label="Entities">
              {suggest.data.entities.map((e) => <li key={e.id}><button type="button" className="find-row" onClick={() => add(e.id)}><TypeDot type={e.type} /><span className="clip">{e.name}</span><span className="p">{lookOf(e.type).name}</span><span className="p">{count(e.n)}</span></button></li>)}
              {!suggest.data.entities.length && <li className="quiet" style={{ padding: 8 }}>Nobody and nothing of that name.</li>}
            </ul>
          )}
        </div>
        <div className="chips" role="group" aria-label="Links shown">
          <button type="button" className="chip off-plain" aria-pressed={place.facts} onClick={() => move({ facts: !place.facts })}><span className="line-solid" />Facts</button>
          <button type="button" className="chip off-plain" aria-pressed={place.together} onClick={() => move({ together: !place.together })}><span className="line-dashed" />Named together</button>
        </div>
        <span className="grow" />
        {place.at.length > 0 && <button type="button" className="btn bare" onClick={() => move({ at: [], open: [], edge: "", node: "", to: "" }, true)}><Icon name="close" />Start over</button>}
        <ExportMenu what="graph" noun="graph" many="entities and facts" forms={["graphml", "jsonld", "csv"]} />
      </header>
      {!centres.length ? <Empty icon="graph" title="Start with one name">Type a person, an organisation or a place above. Its nearest entities appear around it; click one to go on from there, and a line to read the sentences behind it.</Empty>
        : near.error ? <div className="pad"><FaultCard error={near.error} retry={() => void near.refetch()} /></div>
        : !kinds.length ? <Empty icon="graph" title="No links are shown">Turn on facts, or names that stand together.</Empty>
        : (
          <div className="graph-body">
            <div className="graph-stage">
              {graph.nodes.length > 0 && <Canvas nodes={graph.nodes} edges={graph.edges} centres={centres} node={place.node} edge={place.edge} path={onPath} onNode={toNode} onOpen={expand} onEdge={toEdge} onNothing={() => move({ edge: "", node: "" })} />}
              {near.isPending && <div style={{ padding: 24 }}><Skeleton /></div>}
              <Legend nodes={graph.nodes} />
              {(near.data?.left_out ?? 0) > 0 && <div className="graph-note">The {count(graph.nodes.length)} strongest are shown, {count(near.data!.left_out)} left out. {place.limit < MOST && <button type="button" className="btn small" onClick={() => move({ limit: Math.min(MOST, place.limit * 2) })}>Show more</button>}</div>}
            </div>
            <aside className="graph-side" aria-label="What the graph shows">
              {place.to && path.data && !path.data.found && <div className="note"><Icon name="warn" />No path of five links or fewer joins them.</div>}
              {edge ? <EdgeCard edge={edge} nodes={nodes} onClose={() => move({ edge: "" })} />
                : near.isPending ? <div className="side-pad"><Skeleton lines={8} /></div>
                : node ? <NodeCard node={node} edges={graph.edges} nodes={nodes} isOpen={centres.includes(node.id)} isFirst={place.at.includes(node.id)} first={place.at[0]} target={place.to} onExpand={() => expand(node.id)} onEdge={toEdge} onPath={() => move({ to: place.to === node.id ? "" : node.id })} onClose={() => move({ node: "" })} />
                : <NodeList nodes={graph.nodes} edges={graph.edges} onNode={toNode} onEdge={toEdge} />}
            </aside>
          </div>
        )}
    </div>
  );
}

function joined(near: Neighbourhood | undefined, path: { nodes: GraphNode[]; edges: GraphEdge[] } | undefined): { nodes: GraphNode[]; edges: GraphEdge[] } {
  const nodes = new Map<string, GraphNode>();
  const edges = new Map<string, GraphEdge>();
  for (const part of [near, path]) {
    for (const node of part?.nodes ?? []) if (!nodes.has(node.id)) nodes.set(node.id, node);
    for (const edge of part?.edges ?? []) edges.set(edge.id, edge);
  }
  return { nodes: [...nodes.values()], edges: [...edges.values()].filter((e) => nodes.has(e.source) && nodes.has(e.target)) };
}

function Legend({ nodes }: { nodes: readonly GraphNode[] }) {
  const counts: Record<string, number> = {};
  for (const node of nodes) counts[node.type] = (counts[node.type] ?? 0) + 1;
  return <div className="legend" aria-label="Types">{orderLabels(counts).map((t) => <span key={t}><TypeDot type={t} />{lookOf(t).plural} <span className="quiet tnum">{count(counts[t]!)}</span></span>)}</div>;
}

const edgeWords = (edge: GraphEdge): string => (edge.kind === "together" ? "named together with" : edge.label);

function NodeList({ nodes, edges, onNode, onEdge }: { nodes: readonly GraphNode[]; edges: readonly GraphEdge[]; onNode: (id: string) => void; onEdge: (id: string) => void }) {
  const names = new Map(nodes.map((n) => [n.id, n.name]));
  const facts = edges.filter((e) => e.kind === "fact");
  return (
    <>
      <h3 className="side-title">{plural(nodes.length, "entity", "entities")}</h3>
      <div>{nodes.slice(0, 100).map((n) => <button key={n.id} type="button" className={`find-row hue-${lookOf(n.type).hue}`} onClick={() => onNode(n.id)}><TypeDot type={n.type} /><span className="clip">{n.name}</span><span className="p">{lookOf(n.type).name}</span><span className="p">{count(n.n_mentions)}</span></button>)}</div>
      {facts.length > 0 && <><h3 className="side-title">{plural(facts.length, "fact")}</h3>
        <div>{facts.slice(0, 100).map((e) => <button key={e.id} type="button" className="find-row" style={{ gridTemplateColumns: "minmax(0, 1fr) auto" }} onClick={() => onEdge(e.id)}><span style={{ lineHeight: 1.35 }}>{names.get(e.source)} <em className="quiet">{e.label}</em> {names.get(e.target)}</span><span className="p">{count(e.n)}</span></button>)}</div></>}
    </>
  );
}

function NodeCard({ node, edges, nodes, isOpen, isFirst, first, target, onExpand, onEdge, onPath, onClose }: { node: GraphNode; edges: readonly GraphEdge[]; nodes: Map<string, GraphNode>; isOpen: boolean; isFirst: boolean; first: string | undefined; target: string; onExpand: () => void; onEdge: (id: string) => void; onPath: () => void; onClose: () => void }) {
  const mine = edges.filter((e) => e.source === node.id || e.target === node.id).sort((a, b) => Number(b.kind === "fact") - Number(a.kind === "fact") || b.n - a.n);
  return (
    <section className="side-pad" style={{ gap: 10 }} aria-label={node.name}>
      <div style={{ display: "flex", gap: 8, alignItems: "center" }}><TypeTag type={node.type} /><span style={{ flex: 1 }} /><IconButton icon="close" label="Back to the list" onClick={onClose} /></div>
      <h2 style={{ font: "600 17px/1.3 var(--serif)" }}>{node.name}</h2>
      <p className="quiet">{plural(node.n_mentions, "mention")}</p>
      <div className="chips">
        {!isFirst && <button type="button" className="btn small" onClick={onExpand}><Icon name={isOpen ? "minus" : "plus"} />{isOpen ? "Fold" : "Expand"}</button>}
        <Link className="btn small" href={entityHref(node.id)}><Icon name="entities" />Page</Link>
        {first && first !== node.id && <button type="button" className="btn small" aria-pressed={target === node.id} onClick={onPath}><Icon name="path" />Path from {nodes.get(first)?.name ?? "the start"}</button>}
      </div>
      <h3>{plural(mine.length, "link")}</h3>
      <div style={{ margin: "0 -12px" }}>{mine.slice(0, 80).map((e) => {
        const out = e.source === node.id;
        const other = nodes.get(out ? e.target : e.source);
        return <button key={e.id} type="button" className="find-row" onClick={() => onEdge(e.id)}><TypeDot type={other?.type ?? ""} /><span style={{ lineHeight: 1.35 }}><em className="quiet">{out || !e.directed ? edgeWords(e) : `← ${edgeWords(e)}`}</em> {other?.name}</span><span className="p" /><span className="p">{count(e.n)}</span></button>;
      })}</div>
    </section>
  );
}

function EdgeCard({ edge, nodes, onClose }: { edge: GraphEdge; nodes: Map<string, GraphNode>; onClose: () => void }) {
  const reply = useCall<{ evidence: FoundEvidence[] }>("graph/edge", { source: edge.source, target: edge.target, predicate: edge.predicate, limit: 50 });
  return (
    <section className="side-pad" style={{ gap: 12 }} aria-label="Sentences behind the link">
      <div style={{ display: "flex", gap: 8, alignItems: "flex-start" }}>
        <p style={{ flex: 1, font: "500 15px/1.45 var(--serif)" }}><Link href={entityHref(edge.source)}>{nodes.get(edge.source)?.name}</Link> <em className="quiet">{edgeWords(edge)}</em> <Link href={entityHref(edge.target)}>{nodes.get(edge.target)?.name}</Link></p>
        <IconButton icon="close" label="Back to the list" onClick={onClose} />
      </div>
      <p className="quiet" style={{ display: "flex", gap: 12 }}>{plural(edge.n, "sentence")}{edge.kind === "fact" && <Confidence value={edge.confidence} />}</p>
      {reply.error ? <FaultCard error={reply.error} /> : !reply.data ? <Skeleton lines={5} /> : reply.data.evidence.map((e, i) => <QuoteBlock key={`${e.quote.document_id}.${e.quote.start}.${i}`} quote={e.quote} />)}
      {reply.data && reply.data.evidence.length < edge.n && <p className="quiet">{plural(edge.n - reply.data.evidence.length, "more sentence")} on the entity's page.</p>}
    </section>
  );
}
