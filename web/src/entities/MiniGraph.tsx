import { useMemo } from "react";
import { Link, useLocation } from "wouter";
import { useCall } from "../api/hooks";
import type { Neighbourhood } from "../api/types";
import { entityHref, graphHref } from "../place/places";
import { lookOf } from "../text/labels";

const WIDTH = 296;
const HEIGHT = 224;

/** A still picture of the nearest entities, facts first. The list under it says the same in words. */
export function MiniGraph({ id }: { id: string }) {
  const reply = useCall<Neighbourhood>("graph/neighbours", { ids: [id], depth: 1, limit: 12 });
  const [, navigate] = useLocation();
  const drawn = useMemo(() => (reply.data ? around(id, reply.data) : null), [id, reply.data]);
  if (!drawn || drawn.spots.length === 0) return <div style={{ height: reply.data ? 0 : HEIGHT }} />;
  return (
    <>
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} className="mini" role="img" aria-label={`Linked with ${drawn.spots.map((s) => s.name).join(", ")}`}>
        {drawn.spots.map((s) => <line key={s.id} x1={WIDTH / 2} y1={HEIGHT / 2} x2={s.x} y2={s.y} stroke={s.fact ? "var(--ink-2)" : "var(--rule-2)"} strokeWidth={s.fact ? 1.6 : 1} strokeDasharray={s.fact ? undefined : "3 3"}><title>{s.label}</title></line>)}
        {drawn.spots.map((s) => (
          <g key={s.id} className={`hue-${lookOf(s.type).hue}`} onClick={() => navigate(entityHref(s.id))} style={{ cursor: "pointer" }}>
            <circle cx={s.x} cy={s.y} r={6.500} fill="var(--t-edge)" stroke="var(--panel)" strokeWidth="2" />
            <text x={s.x} y={s.y + (s.y < HEIGHT / 2 ? -11 : 18)} textAnchor={s.x < 70 ? "start" : s.x > WIDTH - 70 ? "end" : "middle"} dx={s.x < 70 ? -8 : s.x > WIDTH - 70 ? 8 : 0}>{s.name.length > 20 ? `${s.name.slice(0, 19)}…` : s.name}</text>
          </g>
        ))}
        <circle cx={WIDTH / 2} cy={HEIGHT / 2} r="9" className={`hue-${lookOf(drawn.type).hue}`} fill="var(--t-ink)" stroke="var(--panel)" strokeWidth="2.5" />
      </svg>
      <Link href={graphHref(id)} style={{ fontSize: 12 }}>Explore the graph</Link>
    </>
  );
}

const SPOTS = 8;

function around(id: string, found: Neighbourhood) {
  const nodes = new Map(found.nodes.map((n) => [n.id, n]));
  const links = new Map<string, { fact: boolean; label: string; n: number }>();
  for (const edge of found.edges) {
    const other = edge.source === id ? edge.target : edge.target === id ? edge.source : null;
    if (!other || other === id || !nodes.has(other)) continue;
    const before = links.get(other);
    const fact = edge.kind === "fact";
    if (!before || (fact && !before.fact)) links.set(other, { fact, label: edge.label, n: edge.n });
  }
  const best = [...links.entries()].sort((a, b) => Number(b[1].fact) - Number(a[1].fact) || b[1].n - a[1].n).slice(0, SPOTS);
  const spots = best.map(([other, link], i) => {
    const turn = (i / best.length) * 2 * Math.PI - Math.PI / 2 + (best.length === 2 ? Math.PI / 2 : 0.25);
    const far = i % 2 ? 0.82 : 1;
    return { id: other, name: nodes.get(other)!.name, type: nodes.get(other)!.type, ...link, x: WIDTH / 2 + Math.cos(turn) * 112 * far, y: HEIGHT / 2 + Math.sin(turn) * 82 * far };
  });
  return { spots, type: nodes.get(id)?.type ?? "" };
}
