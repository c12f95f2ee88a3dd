import { useState } from "react";
import type { FacetValue, Filters } from "../api/types";
import { Icon } from "../parts/icons";
import { TypeDot } from "../parts/parts";
import { count, languageName, mediaName } from "../text/format";
import { lookOf } from "../text/labels";

export const FACETS = ["label", "labelled", "entity", "media_type", "year", "language", "folder"] as const;
const TITLES: Record<string, string> = { label: "Holds", labelled: "Labels", entity: "Names", media_type: "Kind", year: "Year", language: "Language", folder: "Folder", document: "Document" };

export function valueName(field: string, facet: { value: string; label: string }): string {
  if (field === "media_type") return mediaName(facet.value);
  if (field === "language") return languageName(facet.value);
  if (field === "label") return lookOf(facet.value).plural;
  if (field === "labelled" && facet.label === facet.value) return facet.value.replace(/^label\//, "").replace("/", ": ");
  return facet.label || facet.value || "Not known";
}

/** A click takes a value in, a second lets it go; the minus takes it out. Counts are over the whole result. */
export function Facets({ facets, include, exclude, names, stale, onChange }: {
  facets: Record<string, FacetValue[]> | undefined; include: Filters; exclude: Filters; names: (field: string, value: string) => string; stale: boolean; onChange: (include: Filters, exclude: Filters) => void;
}) {
  return (
    <div style={{ opacity: stale ? 0.55 : 1, display: "grid", gap: 18, alignContent: "start" }} aria-busy={stale}>
      {FACETS.map((field) => <Facet key={field} field={field} values={facets?.[field] ?? []} include={include} exclude={exclude} names={names} onChange={onChange} />)}
    </div>
  );
}

const FEW = 6;
const without = (filters: Filters, field: string, value: string): Filters => {
  const rest = { ...filters, [field]: (filters[field] ?? []).filter((v) => v !== value) };
  if (!rest[field]!.length) delete rest[field];
  return rest;
};
export const withValue = (filters: Filters, field: string, value: string): Filters => ({ ...filters, [field]: [...(filters[field] ?? []).filter((v) => v !== value), value] });

function Facet({ field, values, include, exclude, names, onChange }: { field: string; values: FacetValue[]; include: Filters; exclude: Filters; names: (field: string, value: string) => string; onChange: (include: Filters, exclude: Filters) => void }) {
  const [all, setAll] = useState(false);
  const [find, setFind] = useState("");
  const taken = include[field] ?? [];
  const out = exclude[field] ?? [];
  const known = new Map(values.map((v) => [v.value, v]));
  // Chosen values stay on top, even when nothing found has them any more.
  const chosen = [...taken, ...out].map((value) => known.get(value) ?? { value, label: names(field, value), n: 0 });
  const rest = values.filter((v) => !taken.includes(v.value) && !out.includes(v.value) && (!find || valueName(field, v).toLowerCase().includes(find.toLowerCase())));
  if (!chosen.length && (values.length < 1 || (values.length === 1 && !["entity", "label", "labelled"].includes(field)))) return null;
  const row = (v: FacetValue) => {
    const isIn = taken.includes(v.value);
    const isOut = out.includes(v.value);
    const name = valueName(field, v);
    return (
      <li key={v.value} className={`facet${isIn ? " in" : isOut ? " out" : ""}`}>
        <button type="button" className="facet-name" aria-pressed={isIn} onClick={() => (isIn || isOut ? onChange(without(include, field, v.value), without(exclude, field, v.value)) : onChange(withValue(include, field, v.value), exclude))}>
          {field === "label" ? <TypeDot type={v.value} /> : null}<span className="clip">{isOut && "not "}{name}</span><span className="n">{count(v.n)}</span>
        </button>
        {!isOut && <button type="button" className="facet-not" aria-label={`Leave out ${name}`} title="Leave out" onClick={() => onChange(without(include, field, v.value), withValue(exclude, field, v.value))}><Icon name="minus" /></button>}
      </li>
    );
  };
  return (
    <section aria-label={TITLES[field]}>
      <h3>{TITLES[field]}</h3>
      {all && values.length > 12 && <input className="facet-find" value={find} placeholder={`Find in ${count(values.length)}`} aria-label={`Find in ${TITLES[field]}`} onChange={(e) => setFind(e.target.value)} />}
      <ul className="facet-list">{chosen.map(row)}{(all ? rest.slice(0, 50) : rest.slice(0, Math.max(0, FEW - chosen.length))).map(row)}</ul>
      {rest.length + chosen.length > FEW && <button type="button" className="btn bare small" onClick={() => setAll(!all)}>{all ? "Fewer" : `${count(rest.length + chosen.length - FEW)} more`}</button>}
    </section>
  );
}
