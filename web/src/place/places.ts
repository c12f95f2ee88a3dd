/** Which fields each view keeps in its address, and the links between views. */
import type { Quote } from "../api/types";
import { choice, filters, flag, href, list, text, whole } from "./codec";

export const DOCUMENTS = {
  q: text(),
  state: list(),
  type: list(),
  sort: choice(["added", "name", "size", "state"], "added"),
  up: flag(),
};
export const DOCUMENT = {
  page: whole(1, 1),
  m: whole(null as number | null),
  start: whole(null as number | null),
  end: whole(null as number | null),
  q: text(),
  hide: list(),
  min: whole(0),
  side: choice(["findings", "facts", "about", "similar"], "findings"),
  group: choice(["order", "name"], "order"),
  view: choice(["both", "page", "text", "side"], "both"),
};
export const SEARCH = {
  q: text(),
  tab: choice(["documents", "passages", "entities", "grammar"], "documents"),
  /** The pattern of the grammar tab. */
  p: text(),
  mode: choice(["hybrid", "keyword", "meaning"], "hybrid"),
  f: filters(),
  x: filters(),
  from: text(),
  to: text(),
};
export const ASK = { q: text(), cite: whole(null as number | null), look: whole(null as number | null), f: filters() };
export const ENTITIES = {
  q: text(),
  type: list(),
  origin: choice(["", "kb", "found", "person"], ""),
  sort: choice(["mentions", "documents", "name"], "mentions"),
};
export const ENTITY = { tab: choice(["facts", "mentions", "names", "history", "around"], "facts"), predicate: text() };
export const GRAPH = {
  at: list(),
  open: list(),
  facts: flag(true),
  together: flag(true),
  limit: whole(60, 10),
  edge: text(),
  node: text(),
  to: text(),
};
export const STATUS = { tab: choice(["now", "jobs", "dead", "checks", "settings"], "now") };

export const SPECS = { DOCUMENTS, DOCUMENT, SEARCH, ASK, ENTITIES, ENTITY, GRAPH, STATUS };

/** The document opened at the quoted stretch, with the words looked for carried along. */
export const quoteHref = (quote: Pick<Quote, "document_id" | "view_page" | "start" | "end">, q = ""): string =>
  href(`/documents/${encodeURIComponent(quote.document_id)}`, DOCUMENT, {
    page: quote.view_page, start: quote.start, end: quote.end, q,
  });
export const documentHref = (id: string, q = ""): string => href(`/documents/${encodeURIComponent(id)}`, DOCUMENT, { q });
/** The document beside those that say the same. */
export const copiesHref = (id: string): string => href(`/documents/${encodeURIComponent(id)}`, DOCUMENT, { side: "similar" });
export const entityHref = (id: string): string => `/entities/${encodeURIComponent(id)}`;
export const graphHref = (...ids: string[]): string => href("/graph", GRAPH, { at: ids });
