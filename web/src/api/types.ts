/** What the server sends and takes. Offsets are code points; the page never slices strings by them. */

export type State = "queued" | "running" | "done" | "failed" | "quarantined" | "duplicate" | "unsupported";
export const STATES: readonly State[] = ["queued", "running", "done", "failed", "quarantined", "duplicate", "unsupported"];

export interface Doc {
  id: string; workspace: string; source_key: string; name: string; parent_id: string | null; version: string;
  media_type: string | null; size_bytes: number; added_at: string; title: string | null; language: string | null;
  n_pages: number | null; n_characters: number | null; state: State; stage: string | null; code: string | null;
  reason: string | null; notes: string[]; duplicate_of: string | null; attempts: number; updated_at: string;
}
export interface FacetValue { value: string; label: string; n: number }
export interface Box { page: number; x0: number; y0: number; x1: number; y1: number }
export interface Piece { text: string; start: number; marks: number[]; hit: boolean }
export interface Quote {
  document_id: string; document_name: string; title: string | null; version: string; start: number; end: number;
  page: number | null; view_page: number; pieces: Piece[]; boxes: Box[];
}
export interface EntityCount { id: string; name: string; type: string; n: number }

export interface Status {
  workspace: string; total: number; states: Partial<Record<State, number>>; n_pages: number; n_mentions: number;
  n_entities: number; n_facts: number; n_passages: number; running: boolean;
  failures: { state: State; code: string; n: number }[];
}
export interface DocumentList { total: number; documents: Doc[]; states: Partial<Record<State, number>>; media_types: FacetValue[] }
export interface DocumentShown {
  document: Doc; metadata: Record<string, string>; date: string | null; children: Doc[]; parent: Doc | null;
  versions: { version: string; size_bytes: number; added_at: string }[];
  stages: { stage: string; component: string; seconds: number; finished_at: string }[];
  paged: boolean; n_view_pages: number; has_images: boolean; entities: EntityCount[]; labels: Record<string, number>; n_facts: number;
}
export type BlockKind =
  | "paragraph" | "title" | "heading" | "list_item" | "table" | "caption" | "page_header" | "page_footer" | "footnote"
  | "code" | "quote" | "mail_header" | "form_field" | "boilerplate";
export interface Cell { row: number; column: number; row_span: number; column_span: number; header: boolean; pieces: Piece[] }
export interface Block { kind: BlockKind; level: number; start: number; end: number; pieces: Piece[]; cells: Cell[] }
export interface Mention {
  ordinal: number; start: number; end: number; label: string; surface: string; entity_id: string | null;
  entity_name: string | null; score: number; component: string; page: number | null; view_page: number; boxes: Box[];
}
export interface Page {
  page: number; n_view_pages: number; label: string | null; width_pt: number; height_pt: number; ocr: boolean; image: boolean;
  blocks: Block[]; mentions: Mention[]; hit_boxes: Box[];
}
export interface Job {
  id: string; service: string; state: "running" | "done" | "failed" | "cancelled"; done: number; total: number | null;
  stage: string | null; error: { code?: string; message?: string } | null; reply: Record<string, unknown> | null;
  started_at: string; updated_at: string;
}
export type Mode = "keyword" | "hybrid" | "meaning";
export type Filters = Record<string, string[]>;
export interface DocumentHit { document: Doc; score: number; quotes: Quote[] }
export interface PassageHit { quote: Quote; score: number }
export interface SearchReply<Hit> { total: number; seconds: number; hits: Hit[]; facets: Record<string, FacetValue[]> }
export interface Answer {
  found: boolean; answer: string | null; confidence: number;
  sentences: { quote: Quote; answer: string | null; confidence: number; context: Quote }[];
  passages: PassageHit[]; reason: string | null; seconds: number;
}
export interface Entity {
  id: string; workspace: string; type: string; name: string; aliases: string[]; identifiers: Record<string, string>;
  properties: Record<string, unknown>; origin: string; n_mentions: number; n_documents: number;
}
export interface FoundEvidence { quote: Quote; component: string; confidence: number }
export interface Fact {
  id: string; subject: string; subject_name: string; predicate: string; predicate_label: string;
  object_entity: string | null; object_name: string | null; object_value: string | null;
  qualifiers: Record<string, string>; confidence: number; status: "proposed" | "accepted" | "rejected";
  n_evidence: number; evidence: FoundEvidence[];
}
export interface Decision {
  id: string; sequence: number; verb: string; subjects: string[]; value: string | null; person: string;
  reason: string | null; made_at: string;
}
export interface EntityName { name_id: string; surface: string; n_mentions: number; n_documents: number; score: number; method: string }
export interface EntityShown {
  entity: Entity; names: EntityName[]; documents: { id: string; name: string; title: string | null; n: number; date: string | null }[];
  facts: Fact[]; n_facts: number; neighbours: EntityCount[]; decisions: Decision[];
}
export interface EntityMention { quote: Quote; label: string; surface: string; score: number }
export interface GraphNode { id: string; name: string; type: string; n_mentions: number; expanded: boolean }
export interface GraphEdge {
  id: string; source: string; target: string; predicate: string; label: string; kind: "fact" | "together";
  n: number; confidence: number; directed: boolean;
}
export interface Neighbourhood { nodes: GraphNode[]; edges: GraphEdge[]; left_out: number }
export interface SimilarDocument {
  document: Doc; score: number; shared_entities: EntityCount[]; pair: { mine: Quote; theirs: Quote; score: number } | null;
}
export interface Check { name: string; ok: boolean; detail: string; remedy: string | null }
export interface Setting { name: string; value: string; origin: string }
