/** Small parts shared by the views. */
import { Tooltip } from "@mantine/core";
import { Fragment, useEffect, useRef, type CSSProperties, type ReactNode } from "react";
import { Link } from "wouter";
import { Fault } from "../api/client";
import type { Piece, Quote, State } from "../api/types";
import { quoteHref } from "../place/places";
import { percent, when } from "../text/format";
import { lookOf } from "../text/labels";
import { Icon, type IconName } from "./icons";

const STATES: Record<State, { name: string; tone: string }> = {
  queued: { name: "Waiting", tone: "idle" },
  running: { name: "Reading", tone: "busy live" },
  done: { name: "Done", tone: "good" },
  failed: { name: "Failed", tone: "bad" },
  quarantined: { name: "Quarantined", tone: "bad" },
  duplicate: { name: "Duplicate", tone: "idle" },
  unsupported: { name: "Unsupported", tone: "warn" },
};
export const stateName = (state: State): string => STATES[state]?.name ?? state;

export function StateBadge({ state, stage }: { state: State; stage?: string | null }) {
  const look = STATES[state] ?? { name: state, tone: "idle" };
  return <span className={`state ${look.tone}`}>{state === "running" && stage ? `${look.name}: ${stage}` : look.name}</span>;
}

export function TypeTag({ type, short = false }: { type: string; short?: boolean }) {
  const look = lookOf(type);
  return <span className={`tag hue-${look.hue}`} title={type}>{short ? look.tag : look.name}</span>;
}

export function TypeDot({ type }: { type: string }) {
  return <span className={`dot hue-${lookOf(type).hue}`} aria-hidden="true" />;
}

export function Confidence({ value }: { value: number }) {
  return (
    <span className="conf" title={`Confidence ${percent(value)}`}>
      <i style={{ "--share": percent(value) } as CSSProperties} aria-hidden="true" />
      <span className="sr">confidence </span>{percent(value)}
    </span>
  );
}

export function Time({ iso }: { iso: string }) {
  return <time dateTime={iso} title={iso} className="tnum">{when(iso)}</time>;
}

export function FaultCard({ error, retry }: { error: unknown; retry?: () => void }) {
  const fault = error instanceof Fault ? error : new Fault("bug", error instanceof Error ? error.message : String(error));
  return (
    <div className="fault" role="alert">
      <Icon name="warn" />
      <p>
        <strong>{fault.message}</strong>
        {fault.remedy}
      </p>
      {retry && <button className="btn small" onClick={retry} style={{ marginLeft: "auto" }}><Icon name="retry" />Try again</button>}
    </div>
  );
}

export function Empty({ icon, title, children, actions }: { icon: IconName; title: string; children?: ReactNode; actions?: ReactNode }) {
  return (
    <div className="empty">
      <Icon name={icon} />
      <h2>{title}</h2>
      {children && <p>{children}</p>}
      {actions && <div className="row">{actions}</div>}
    </div>
  );
}

export function Skeleton({ lines = 3, height = 14 }: { lines?: number; height?: number }) {
  return (
    <div aria-busy="true" aria-label="Loading" role="status" style={{ display: "grid", gap: 9 }}>
      {Array.from({ length: lines }, (_, i) => <div key={i} className="skeleton" style={{ height, width: `${92 - ((i * 17) % 40)}%` }} />)}
    </div>
  );
}

/** Text with its hits marked; a run of hit pieces becomes one mark. */
export function Pieces({ pieces }: { pieces: readonly Piece[] }) {
  const runs: { text: string; hit: boolean; start: number }[] = [];
  for (const piece of pieces) {
    const last = runs.at(-1);
    if (last && last.hit === piece.hit) last.text += piece.text;
    else runs.push({ text: piece.text, hit: piece.hit, start: piece.start });
  }
  return <>{runs.map((r) => (r.hit ? <mark key={r.start}>{r.text}</mark> : <span key={r.start}>{blocks(r.text)}</span>))}</>;
}

/** A passage may run over several blocks; in one line of text their borders are told by a dot. */
const blocks = (text: string): ReactNode => text.split(/\s*\n{2,}\s*/).map((part, i) => (i ? <Fragment key={i}><span className="gap" aria-hidden="true">·</span>{part}</Fragment> : part));

export const quoteTitle = (quote: Quote): string => quote.title || leaf(quote.document_name);
export const leaf = (name: string): string => name.split(/[/!]/).filter(Boolean).at(-1) ?? name;

/** A quotation with the document and page that it links to. */
export function QuoteBlock({ quote, query = "", after }: { quote: Quote; query?: string; after?: ReactNode }) {
  return (
    <figure style={{ minWidth: 0 }}>
      <blockquote className="quote" style={{ margin: 0 }}><Pieces pieces={quote.pieces} /></blockquote>
      <figcaption style={{ display: "flex", gap: 10, alignItems: "center", marginTop: 2 }}>
        <SourceLink quote={quote} query={query} />
        {after}
      </figcaption>
    </figure>
  );
}

export function SourceLink({ quote, query = "" }: { quote: Quote; query?: string }) {
  return (
    <span className="source">
      <Link href={quoteHref(quote, query)} className="clip" title={quote.document_name}>{quoteTitle(quote)}</Link>
      {quote.page != null && <span style={{ whiteSpace: "nowrap" }}>· p. {quote.page}</span>}
    </span>
  );
}

export function Tip({ label, children }: { label: string; children: ReactNode }) {
  return <Tooltip label={label} openDelay={400} withArrow>{children as never}</Tooltip>;
}

export function IconButton({ icon, label, onClick, className = "", disabled }: { icon: IconName; label: string; onClick?: () => void; className?: string; disabled?: boolean }) {
  return (
    <Tip label={label}>
      <button type="button" className={`btn bare small ${className}`} aria-label={label} onClick={onClick} disabled={disabled}><Icon name={icon} /></button>
    </Tip>
  );
}

export function Tabs<T extends string>({ label, value, onChange, options }: { label: string; value: T; onChange: (value: T) => void; options: readonly { value: T; name: string; n?: number | null }[] }) {
  const step = (by: number) => {
    const at = options.findIndex((o) => o.value === value);
    onChange(options[(at + by + options.length) % options.length]!.value);
  };
  const list = useRef<HTMLDivElement>(null);
  useEffect(() => {
    // Where not all tabs fit, the open one is brought into sight; only this list scrolls.
    const tab = list.current?.querySelector<HTMLElement>("[aria-selected=true]");
    if (tab && list.current) list.current.scrollLeft = tab.offsetLeft - list.current.offsetLeft - (list.current.clientWidth - tab.offsetWidth) / 2;
  }, [value]);
  return (
    <div ref={list} className="tabs" role="tablist" aria-label={label} onKeyDown={(e) => { if (e.key === "ArrowRight") step(1); else if (e.key === "ArrowLeft") step(-1); }}>
      {options.map((o) => (
        <button key={o.value} type="button" role="tab" aria-selected={o.value === value} tabIndex={o.value === value ? 0 : -1} onClick={() => onChange(o.value)}>
          {o.name}{o.n != null && <span className="n">{o.n.toLocaleString()}</span>}
        </button>
      ))}
    </div>
  );
}

export function Segments<T extends string>({ label, value, onChange, options }: { label: string; value: T; onChange: (value: T) => void; options: readonly { value: T; name: string; hint?: string }[] }) {
  return (
    <div className="seg" role="radiogroup" aria-label={label}>
      {options.map((o) => (
        <button key={o.value} type="button" role="radio" aria-checked={o.value === value} title={o.hint} onClick={() => onChange(o.value)}>{o.name}</button>
      ))}
    </div>
  );
}

export function SearchBox({ value, onChange, label, placeholder, autoFocus, big }: { value: string; onChange: (value: string) => void; label: string; placeholder: string; autoFocus?: boolean; big?: boolean }) {
  return (
    <label className={`box${big ? " big" : ""}`}>
      <Icon name="search" />
      <span className="sr">{label}</span>
      <input type="search" data-find value={value} placeholder={placeholder} autoFocus={autoFocus} onChange={(e) => onChange(e.target.value)}
        onKeyDown={(e) => {
          if (e.key !== "Escape") return;
          e.preventDefault(); // browsers empty a search box on Escape; the words stay, the keys come free
          e.currentTarget.blur();
        }} />
      {value && <button type="button" className="btn bare small" aria-label="Clear" onClick={() => onChange("")}><Icon name="close" /></button>}
    </label>
  );
}
