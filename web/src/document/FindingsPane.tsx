import { useEffect, useMemo, useRef, type CSSProperties } from "react";
import { Link } from "wouter";
import { useCall } from "../api/hooks";
import type { Mention, Reference, ReferenceList } from "../api/types";
import { Confidence, Empty, FaultCard, IconButton, Skeleton, TypeDot, TypeTag } from "../parts/parts";
import { Icon } from "../parts/icons";
import { Rows } from "../parts/Rows";
import { entityHref } from "../place/places";
import { count, meaningOf, percent, plural } from "../text/format";
import { lookOf, orderLabels } from "../text/labels";

export interface Group { key: string; label: string; name: string; mentions: Mention[] }

/** Findings of one name together, the most frequent first. Linked names go by entity, others by spelling. */
export function groupsOf(mentions: readonly Mention[]): Group[] {
  const groups = new Map<string, Group>();
  for (const mention of mentions) {
    const key = mention.entity_id ? `e:${mention.entity_id}` : `${mention.label}:${mention.surface.toLowerCase().replace(/\s+/g, " ").trim()}`;
    const group = groups.get(key);
    if (group) group.mentions.push(mention);
    else groups.set(key, { key, label: mention.label, name: mention.entity_name ?? mention.surface, mentions: [mention] });
  }
  return [...groups.values()].sort((a, b) => b.mentions.length - a.mentions.length || a.mentions[0]!.start - b.mentions[0]!.start);
}

export function FindingsPane({ id, onReference, all, visible, total, complete, error, hidden, onHidden, min, onMin, group, onGroup, selected, onSelect, step }: {
  id: string;
  onReference: (reference: Reference) => void;
  all: readonly Mention[];
  visible: readonly Mention[];
  total: number;
  complete: boolean;
  error: unknown;
  hidden: readonly string[];
  onHidden: (labels: string[]) => void;
  min: number;
  onMin: (percent: number) => void;
  group: "order" | "name";
  onGroup: (group: "order" | "name") => void;
  selected: Mention | null;
  onSelect: (mention: Mention) => void;
  step: (by: number) => void;
}) {
  const scroller = useRef<HTMLDivElement>(null);
  const counts = useMemo(() => {
    const found: Record<string, number> = {};
    for (const m of all) found[m.label] = (found[m.label] ?? 0) + 1;
    return found;
  }, [all]);
  const labels = useMemo(() => orderLabels(counts), [counts]);
  const groups = useMemo(() => (group === "name" ? groupsOf(visible) : []), [group, visible]);
  const at = useMemo(() => {
    if (!selected) return null;
    return group === "order" ? visible.findIndex((m) => m.ordinal === selected.ordinal) : groups.findIndex((g) => g.mentions.some((m) => m.ordinal === selected.ordinal));
  }, [selected, visible, groups, group]);
  const only = (label: string) => onHidden(hidden.length === labels.length - 1 && !hidden.includes(label) ? [] : labels.filter((l) => l !== label));
  const cycle = (g: Group) => {
    const i = selected ? g.mentions.findIndex((m) => m.ordinal === selected.ordinal) : -1;
    onSelect(g.mentions[(i + 1) % g.mentions.length]!);
  };
  if (error) return <div className="side-pad"><FaultCard error={error} /></div>;
  if (!complete && !all.length) return <div className="side-pad"><Skeleton lines={8} /></div>;
  if (complete && !total) return <Empty icon="entities" title="Nothing was found">No names stand in this text.</Empty>;
  return (
    <>
      <div className="side-tools">
        <div className="chips" role="group" aria-label="Types shown">
          {labels.map((label) => (
            <button key={label} type="button" className={`chip hue-${lookOf(label).hue}`} aria-pressed={!hidden.includes(label)} title={`${label}. Double-click to see only these`}
              onClick={() => onHidden(hidden.includes(label) ? hidden.filter((l) => l !== label) : [...hidden, label])} onDoubleClick={() => only(label)}>
              {lookOf(label).plural} <span className="n">{count(counts[label]!)}</span>
            </button>
          ))}
        </div>
        <div className="line">
          <label htmlFor="least-confidence">Sure by {min}%</label>
          <input id="least-confidence" type="range" min={0} max={95} step={5} value={min} onChange={(e) => onMin(Number(e.target.value))} />
          <div className="seg" role="radiogroup" aria-label="Order of findings">
            <button type="button" role="radio" aria-checked={group === "order"} onClick={() => onGroup("order")}>In order</button>
            <button type="button" role="radio" aria-checked={group === "name"} onClick={() => onGroup("name")}>By name</button>
          </div>
        </div>
        <span className="quiet" style={{ fontSize: 12 }} aria-live="polite">
          {visible.length === all.length ? plural(all.length, "finding") : `${count(visible.length)} of ${plural(all.length, "finding")}`}{!complete && total > all.length && `, ${count(total - all.length)} still coming`}
        </span>
      </div>
      <div className="pane" ref={scroller} style={{ flex: 1 }} tabIndex={-1}>
        {group === "order"
          ? <Rows total={visible.length} scroller={scroller} estimate={30} label="Findings" at={at} row={(i) => {
              const mention = visible[i]!;
              return (
                <button type="button" className={`find-row hue-${lookOf(mention.label).hue}${mention.ordinal === selected?.ordinal ? " on" : ""}`} aria-current={mention.ordinal === selected?.ordinal || undefined} onClick={() => onSelect(mention)}>
                  <TypeDot type={mention.label} /><span className="clip"><span className="sr">{lookOf(mention.label).name}: </span>{mention.surface}</span>
                  <span className="p">{mention.score < 0.7 ? percent(mention.score) : ""}</span><span className="p">{mention.page != null ? `p. ${mention.page}` : ""}</span>
                </button>
              );
            }} />
          : <Rows total={groups.length} scroller={scroller} estimate={30} label="Findings by name" at={at} row={(i) => {
              const found = groups[i]!;
              const place = selected ? found.mentions.findIndex((m) => m.ordinal === selected.ordinal) : -1;
              return (
                <button type="button" className={`find-row hue-${lookOf(found.label).hue}${place >= 0 ? " on" : ""}`} aria-current={place >= 0 || undefined} onClick={() => cycle(found)}>
                  <TypeDot type={found.label} /><span className="clip"><span className="sr">{lookOf(found.label).name}: </span>{found.name}</span>
                  <span className="p" /><span className="p">{place >= 0 ? `${place + 1} of ` : ""}{count(found.mentions.length)}</span>
                </button>
              );
            }} />}
      </div>
      {selected && <Picked id={id} mention={selected} step={step} onReference={onReference} />}
    </>
  );
}

/** What is known of the selected finding, and where it comes from. */
export function Picked({ id, mention, step, onReference }: { id: string; mention: Mention; step: (by: number) => void; onReference: (reference: Reference) => void }) {
  const look = lookOf(mention.label);
  const card = useRef<HTMLDivElement>(null);
  useEffect(() => card.current?.setAttribute("data-ready", "1"), []);
  return (
    <section className={`picked hue-${look.hue}`} ref={card} aria-label="Selected finding" aria-live="polite" style={{ borderTopColor: "var(--t-edge)" } as CSSProperties}>
      <div className="line">
        <TypeTag type={mention.label} /><Confidence value={mention.score} />
        <span style={{ flex: 1 }} />
        <IconButton icon="up" label="Previous finding (k)" onClick={() => step(-1)} /><IconButton icon="down" label="Next finding (j)" onClick={() => step(1)} />
      </div>
      <b style={{ overflowWrap: "anywhere" }}>{mention.surface}</b>
      {mention.value && <span className="quiet tnum" title={mention.value.note || undefined}>{meaningOf(mention.value)}</span>}
      {mention.entity_id && <Link href={entityHref(mention.entity_id)} className="line"><Icon name="entities" />{mention.entity_name}</Link>}
      {mention.entity_id && <MeantBy id={id} entity={mention.entity_id} onReference={onReference} />}
      <details>
        <summary className="quiet" style={{ cursor: "pointer", fontSize: 12 }}>Where this comes from</summary>
        <dl className="dl" style={{ marginTop: 6, fontSize: 12 }}>
          <dt>Found by</dt><dd className="mono">{mention.component}</dd>
          <dt>Characters</dt><dd className="tnum">{count(mention.start)} to {count(mention.end)}</dd>
          {mention.page != null && <><dt>Page</dt><dd>{mention.page}</dd></>}
          <dt>Type</dt><dd className="mono">{mention.label}</dd>
        </dl>
      </details>
    </section>
  );
}

const MOST_MEANT = 200;

/** Where else the document speaks of it: "it", "the company". Nothing is shown where it never does. */
function MeantBy({ id, entity, onReference }: { id: string; entity: string; onReference: (reference: Reference) => void }) {
  const reply = useCall<ReferenceList>("documents/coreference", { id, entity_id: entity, limit: MOST_MEANT }, { steady: true });
  const found = reply.data;
  if (!found?.total) return null;
  return (
    <details>
      <summary className="quiet" style={{ cursor: "pointer", fontSize: 12 }}>Also meant by {plural(found.total, "word")} here</summary>
      <ul className="meant">
        {found.references.map((one) => (
          <li key={one.start}>
            <button type="button" className="find-row" title={one.sentence} onClick={() => onReference(one)}>
              <span className="clip">{one.mention}</span><span className="p">{percent(one.score)}</span><span className="p">{one.page != null ? `p. ${one.page}` : ""}</span>
            </button>
          </li>
        ))}
      </ul>
      {found.total > found.references.length && <span className="quiet">The first {count(found.references.length)} of {count(found.total)}.</span>}
    </details>
  );
}
