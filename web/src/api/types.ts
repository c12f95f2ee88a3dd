/**
 * What the server sends, under the names this page uses. `schema.d.ts` is made from the server's own
 * description (by `python webbuild.py`), so a change over there shows up here as a type error.
 *
 * Offsets are code points; the page never slices strings by them.
 */
import type { components } from "../schema";

type Schemas = components["schemas"];

export type State = Schemas["State"];
export const STATES: readonly State[] = ["queued", "running", "done", "failed", "quarantined", "duplicate", "unsupported"];

export type Doc = Schemas["Document"];
export type FacetValue = Schemas["FacetValue"];
export type Box = Schemas["Box"];
export type Piece = Schemas["Piece"];
export type Quote = Schemas["Quote"];
export type EntityCount = Schemas["EntityCount"];

export type Status = Schemas["salient__services__status__Status"];
export type DocumentList = Schemas["DocumentList"];
export type DocumentShown = Schemas["DocumentDetails"];
export type Cell = Schemas["CellView"];
export type Block = Schemas["BlockView"];
export type Mention = Schemas["Mention"];
export type Page = Schemas["PageView"];
export type Job = Schemas["Job"];
export type Dead = Schemas["Dead"];

export type Filters = Record<string, string[]>;
export type DocumentHit = Schemas["DocumentHit"];
export type PassageHit = Schemas["PassageHit"];
export type LookedAt = Schemas["LookedAt"];
export type SearchReply<Hit> = Omit<Schemas["DocumentHits"], "hits"> & { hits: Hit[] };
export type GrammarMatch = Schemas["GrammarMatch"];
export type GrammarMatches = Schemas["GrammarMatches"];
export type PredicateView = Schemas["PredicateView"];
export type RuleList = Schemas["RuleList"];
export type RulePreview = Schemas["RulePreview"];
export type SavedRule = Schemas["SavedRule"];
export type Answer = Schemas["Answer"];

export type Entity = Schemas["Entity"];
export type EntityList = Schemas["EntityList"];
export type EntityShown = Schemas["EntityDetails"];
export type EntityMention = Schemas["EntityMention"];
export type FoundEvidence = Schemas["EvidenceView"];
export type Fact = Schemas["FactView"];
export type FactList = Schemas["FactList"];
export type ReferenceList = Schemas["ReferenceList"];
export type Reference = Schemas["Reference"];
export type Decision = Schemas["Decision"];
export type Decided = Schemas["Decided"];

export type GraphNode = Schemas["NodeView"];
export type GraphEdge = Schemas["EdgeView"];
export type Neighbourhood = Schemas["Network"];
export type SimilarDocument = Schemas["Similar"];
export type LabelsOf = Schemas["LabelsOf"];
export type LabelList = Schemas["LabelList"];
export type CopyView = Schemas["CopyView"];
export type DecidedCopies = Schemas["DecidedCopies"];
export type Check = Schemas["Check"];
export type Setting = Schemas["SettingView"];
