import { useComputedColorScheme } from "@mantine/core";
import cytoscape, { type Core, type ElementDefinition, type StylesheetJson } from "cytoscape";
import { useEffect, useRef } from "react";
import type { GraphEdge, GraphNode } from "../api/types";
import { IconButton } from "../parts/parts";
import { useKeys } from "../place/useKeys";
import { HUES, lookOf } from "../text/labels";

interface Props {
  nodes: readonly GraphNode[]; edges: readonly GraphEdge[]; centres: readonly string[]; node: string; edge: string; path: ReadonlySet<string>;
  onNode: (id: string) => void; onOpen: (id: string) => void; onEdge: (id: string) => void; onNothing: () => void;
}

/** The drawing. The list beside it says all of it in words, so it is one picture to readers. */
export function Canvas(props: Props) {
  const host = useRef<HTMLDivElement>(null);
  const core = useRef<Core>(null);
  const latest = useRef(props);
  const scheme = useComputedColorScheme("light", { getInitialValueInEffect: false });
  useEffect(() => {
    latest.current = props;
  });

  useEffect(() => {
    const cy = cytoscape({ container: host.current, minZoom: 0.15, maxZoom: 3, boxSelectionEnabled: false, autounselectify: true });
    core.current = cy;
    cy.on("tap", "node", (e) => latest.current.onNode(e.target.id() as string));
    cy.on("dbltap", "node", (e) => latest.current.onOpen(e.target.id() as string));
    cy.on("tap", "edge", (e) => latest.current.onEdge((e.target.id() as string).slice(2)));
    cy.on("tap", (e) => { if (e.target === cy) latest.current.onNothing(); });
    cy.on("mouseover", "node", (e) => { (e.target as cytoscape.NodeSingular).closedNeighborhood().addClass("near"); });
    cy.on("mouseout", "node", () => cy.elements().removeClass("near"));
    cy.on("mouseover", "edge", (e) => { (e.target as cytoscape.EdgeSingular).addClass("near"); });
    cy.on("mouseout", "edge", (e) => { (e.target as cytoscape.EdgeSingular).removeClass("near"); });
    const watch = new ResizeObserver(() => cy.resize());
    watch.observe(host.current!);
    return () => { watch.disconnect(); cy.destroy(); core.current = null; };
  }, []);

  useEffect(() => {
    core.current?.style(styles(host.current!));
  }, [scheme]);

  useEffect(() => {
    const cy = core.current;
    if (!cy) return;
    const wanted = elements(props.nodes, props.edges, props.centres);
    const ids = new Set(wanted.map((e) => e.data.id!));
    const first = cy.nodes().empty();
    const fresh = wanted.filter((e) => cy.getElementById(e.data.id!).empty());
    const gone = cy.elements().filter((e) => !ids.has(e.id()));
    cy.batch(() => {
      gone.remove();
      for (const e of wanted) cy.getElementById(e.data.id!).data(e.data);
      for (const e of fresh) {
        // A new node starts beside what it hangs on, so that the picture grows and does not jump.
        const anchor = e.data.source ? undefined : anchorOf(cy, props.edges, e.data.id!);
        cy.add({ ...e, position: anchor && { x: anchor.x + (Math.sin(hash(e.data.id!)) * 60), y: anchor.y + (Math.cos(hash(e.data.id!)) * 60) } });
      }
    });
    if (fresh.some((e) => !e.data.source) || gone.nodes().nonempty()) {
      const big = cy.nodes().length > 120;
      cy.layout({
        name: "cose", animate: first || big ? false : "end", animationDuration: 350, randomize: first, fit: true, padding: 46, nodeRepulsion: () => 14000, idealEdgeLength: (e: cytoscape.EdgeSingular) => (e.data("kind") === "fact" ? 105 : 135),
        edgeElasticity: () => 90, gravity: 0.35, numIter: big ? 350 : 900, nodeOverlap: 18, componentSpacing: 70, nodeDimensionsIncludeLabels: true,
      } as cytoscape.CoseLayoutOptions).run();
    }
  }, [props.nodes, props.edges, props.centres]);

  useEffect(() => {
    const cy = core.current;
    if (!cy) return;
    cy.elements().removeClass("on path");
    if (props.node) cy.getElementById(props.node).addClass("on").closedNeighborhood().edges().addClass("on");
    if (props.edge) cy.getElementById(`e:${props.edge}`).addClass("on");
    for (const id of props.path) cy.getElementById(`e:${id}`).addClass("path").connectedNodes().addClass("path");
  }, [props.node, props.edge, props.path, props.nodes, props.edges]);

  const fit = () => core.current?.animate({ fit: { eles: core.current.elements(), padding: 46 }, duration: 200 });
  const save = () => {
    const cy = core.current;
    if (!cy) return;
    const link = document.createElement("a");
    link.href = URL.createObjectURL(cy.png({ output: "blob", full: true, scale: 2, bg: getComputedStyle(host.current!).backgroundColor }));
    link.download = "salient-graph.png";
    link.click();
    window.setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  };
  useKeys("graph", { fit, unpick: props.onNothing });
  return (
    <>
      <div ref={host} className="canvas" role="img" aria-label={`Graph of ${props.nodes.length} entities and ${props.edges.length} links. The list beside it holds the same.`} />
      <div className="graph-tools"><IconButton icon="fit" label="Fit to the window (f)" onClick={fit} /><IconButton icon="download" label="Save as PNG" onClick={save} /></div>
    </>
  );
}

const hash = (id: string): number => [...id].reduce((n, c) => (n * 31 + c.charCodeAt(0)) % 9973, 7);

function anchorOf(cy: Core, edges: readonly GraphEdge[], id: string): { x: number; y: number } | undefined {
  const link = edges.find((e) => (e.source === id && cy.getElementById(e.target).nonempty()) || (e.target === id && cy.getElementById(e.source).nonempty()));
  return link && cy.getElementById(link.source === id ? link.target : link.source).position();
}

function elements(nodes: readonly GraphNode[], edges: readonly GraphEdge[], centres: readonly string[]): ElementDefinition[] {
  const most = Math.max(1, ...nodes.map((n) => n.n_mentions));
  const widest = Math.max(1, ...edges.map((e) => e.n));
  return [
    ...nodes.map((n) => ({ data: { id: n.id, name: n.name.length > 34 ? `${n.name.slice(0, 33)}…` : n.name, hue: lookOf(n.type).hue, size: 15 + 24 * Math.sqrt(n.n_mentions / most), centre: centres.includes(n.id) ? 1 : 0 } })),
    ...edges.map((e) => ({ data: { id: `e:${e.id}`, source: e.source, target: e.target, label: e.kind === "together" ? `together ${e.n}×` : e.label, kind: e.kind, arrow: e.directed ? "triangle" : "none", width: 1 + 2.5 * Math.sqrt(e.n / widest) } })),
  ];
}

/** Cytoscape draws on a canvas and cannot read CSS variables, so the tokens are resolved here. */
function styles(host: HTMLElement): StylesheetJson {
  const probe = document.createElement("span");
  host.append(probe);
  const pixel = document.createElement("canvas").getContext("2d", { willReadFrequently: true })!;
  const colour = (value: string, className = ""): string => {
    probe.className = className;
    probe.style.color = value;
    pixel.clearRect(0, 0, 1, 1);
    pixel.fillStyle = getComputedStyle(probe).color;
    pixel.fillRect(0, 0, 1, 1);
    const [r, g, b] = pixel.getImageData(0, 0, 1, 1).data;
    return `rgb(${r},${g},${b})`;
  };
  const ink = colour("var(--ink)");
  const quiet = colour("var(--ink-2)");
  const panel = colour("var(--panel)");
  const rule = colour("var(--rule-2)");
  const accent = colour("var(--accent)");
  const gold = colour("var(--hit-edge)");
  const types = HUES.flatMap((hue) => [
    { selector: `node[hue = "${hue}"]`, style: { "background-color": colour("var(--t-edge)", `hue-${hue}`) } },
    { selector: `node[hue = "${hue}"][centre = 1]`, style: { "background-color": colour("var(--t-ink)", `hue-${hue}`) } },
  ]);
  probe.remove();
  return [
    { selector: "node", style: { width: "data(size)", height: "data(size)", label: "data(name)", "font-family": "Inter Variable, sans-serif", "font-size": 11, color: ink, "text-valign": "bottom", "text-margin-y": 4, "text-background-color": panel, "text-background-opacity": 0.82, "text-background-padding": "2px", "text-wrap": "wrap", "text-max-width": "120px", "border-width": 2, "border-color": panel, "min-zoomed-font-size": 6 } },
    ...types,
    { selector: "node[centre = 1]", style: { "font-weight": 600, "font-size": 12.5 } },
    { selector: "edge", style: { width: "data(width)", "line-color": rule, "curve-style": "bezier", "target-arrow-shape": "data(arrow)" as never, "target-arrow-color": rule, "arrow-scale": 0.85, "line-style": "dashed", "line-dash-pattern": [4, 4], opacity: 0.8 } },
    { selector: 'edge[kind = "fact"]', style: { "line-style": "solid", "line-color": quiet, "target-arrow-color": quiet, opacity: 1 } },
    { selector: "edge.near, edge.on, edge.path", style: { label: "data(label)", "font-size": 10, "font-family": "Inter Variable, sans-serif", color: ink, "text-rotation": "autorotate", "text-background-color": panel, "text-background-opacity": 0.95, "text-background-padding": "2px", "line-color": accent, "target-arrow-color": accent, "z-index": 9, opacity: 1 } },
    { selector: "node.on", style: { "border-color": accent, "border-width": 4 } },
    { selector: "node.path", style: { "border-color": gold, "border-width": 4 } },
    { selector: "edge.path", style: { "line-color": gold, "target-arrow-color": gold, width: 3.5 } },
  ] as StylesheetJson;
}
