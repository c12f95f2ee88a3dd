import { useInfiniteQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "wouter";
import { call, Fault } from "../api/client";
import { useAction, useCall } from "../api/hooks";
import type { GrammarMatch, GrammarMatches, Piece, RuleList, SavedRule } from "../api/types";
import { ExportMenu } from "../parts/ExportMenu";
import { Icon } from "../parts/icons";
import { Empty, FaultCard, Skeleton, SourceLink } from "../parts/parts";
import { quoteHref } from "../place/places";
import { count, duration, plural } from "../text/format";
import { inked } from "./pattern";
import { RuleDialog } from "./RuleDialog";

const STEP = 50;
const HUES = 6;
const EXAMPLES = ["buyer:ORG <nsubj- (acquire|buy) -obj-> target:ORG", "PERSON <nsubj- join -obj-> ORG", "ORG ..3 [upos=VERB] .. MONEY"];

/** Words and dependencies as a pattern; what it finds becomes a table, and a rule. */
export function Grammar({ pattern, typed, type }: { pattern: string; typed: string; type: (pattern: string) => void }) {
  const [saving, setSaving] = useState(false);
  const said = pattern.trim();
  const found = useInfiniteQuery({
    queryKey: ["grammar/search", said],
    initialPageParam: 0,
    queryFn: ({ pageParam, signal }) => call<GrammarMatches>("grammar/search", { pattern: said, offset: pageParam, limit: STEP }, signal),
    getNextPageParam: (last: GrammarMatches, pages) => (last.matches.length && pages.length * STEP < last.total ? pages.length * STEP : undefined),
    enabled: said !== "",
    retry: false,
  });
  const rules = useCall<RuleList>("grammar/rules");
  const fault = found.error instanceof Fault ? found.error : null;
  const at = fault && typeof fault.context.position === "number" && typed.trim() === said ? fault.context.position : null;
  const head = found.data?.pages[0];
  return (
    <div className="results" style={{ flex: 1 }}>
      <PatternBox value={typed} onChange={type} wrongAt={at === null ? null : at + (typed.length - typed.trimStart().length)} />
      {fault && (at === null ? <FaultCard error={fault} retry={() => void found.refetch()} /> : <p className="pattern-fault" role="alert">{fault.message}</p>)}
      {!said && <Empty icon="search" title="Find words by how they stand together" actions={EXAMPLES.map((e) => <button key={e} type="button" className="btn small mono" onClick={() => type(e)}>{e}</button>)}>
        A word is a lemma, capitals are a kind of name, arrows are dependencies. A name before a colon makes a column.
      </Empty>}
      {said && found.isFetching && !head && <Skeleton lines={6} height={18} />}
      {head && (
        <>
          <div className="search-bar" style={{ padding: "10px 0" }}>
            <b>{plural(head.total, "match", "matches")}</b>
            <span className="quiet">in {count(head.n_documents)} of {plural(head.n_searched, "document")}, {count(head.n_tokens)} words, {duration(head.seconds)}{head.complete ? "" : "; time ran out, there may be more"}</span>
            <span style={{ flex: 1 }} />
            <button type="button" className="btn" disabled={head.slots.length < 2} title={head.slots.length < 2 ? "Name two nodes first, as in buyer:ORG" : undefined} onClick={() => setSaving(true)}><Icon name="plus" />Save as rule</button>
            <ExportMenu what="grammar" noun="match" many="matches" total={head.total} filters={{ pattern: said }} />
          </div>
          {head.total === 0 ? <Empty icon="search" title="Nothing fits">No sentence has these words in this order or these dependencies.</Empty>
            : <MatchTable slots={head.slots} matches={found.data!.pages.flatMap((p) => p.matches)} />}
          {found.hasNextPage && <button type="button" className="btn" disabled={found.isFetchingNextPage} onClick={() => void found.fetchNextPage()}>Show more</button>}
          {saving && rules.data && <RuleDialog pattern={head.pattern} slots={head.slots} predicates={rules.data.predicates} onClose={() => setSaving(false)} />}
        </>
      )}
      {rules.data && <Saved list={rules.data} use={type} />}
    </div>
  );
}

function PatternBox({ value, onChange, wrongAt }: { value: string; onChange: (value: string) => void; wrongAt: number | null }) {
  return (
    <label className="pattern-box">
      <span className="sr">Pattern</span>
      <span className="pattern-ink" aria-hidden="true">{inked(value, wrongAt).map((p, i) => <span key={i} className={`ink-${p.kind}${p.wrong ? " wrong" : ""}`}>{p.text}</span>)}{"\u200b"}</span>
      <textarea data-find rows={1} value={value} spellCheck={false} autoCapitalize="off" autoComplete="off" maxLength={2000} aria-invalid={wrongAt !== null}
        placeholder="buyer:ORG <nsubj- acquire -obj-> target:ORG" onChange={(e) => onChange(e.target.value.replace(/\n/g, " "))} />
    </label>
  );
}

function MatchTable({ slots, matches }: { slots: readonly string[]; matches: readonly GrammarMatch[] }) {
  return (
    <table className="plain" aria-label="Matches">
      <thead><tr>{slots.map((s, i) => <th key={s} scope="col"><span className={`slot slot-${i % HUES}`}>{s}</span></th>)}<th scope="col">Sentence</th><th scope="col">Document</th></tr></thead>
      <tbody>
        {matches.map((match) => {
          const by = new Map(match.filled.filter((f) => f.slot).map((f) => [f.slot, f.text]));
          const from = Math.min(...match.filled.map((f) => f.start));
          const to = Math.max(...match.filled.map((f) => f.end));
          const key = match.filled.map((f) => `${f.start}-${f.end}`).join(".");
          return (
            <tr key={`${match.quote.document_id}.${key}`}>
              {slots.map((s) => <td key={s}>{by.get(s)}</td>)}
              <td><Link className="quote" style={{ color: "inherit" }} href={quoteHref({ ...match.quote, start: from, end: to })}>{match.quote.pieces.map((p) => <Marked key={p.start} piece={p} match={match} slots={slots} />)}</Link></td>
              <td style={{ maxWidth: 220 }}><SourceLink quote={match.quote} /></td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}

/** A piece in the colour of the slot it fills; pieces never lie half in one. */
function Marked({ piece, match, slots }: { piece: Piece; match: GrammarMatch; slots: readonly string[] }) {
  if (!piece.hit) return <span>{piece.text}</span>;
  const filled = match.filled.find((f) => f.slot && f.start <= piece.start && piece.start < f.end);
  if (!filled?.slot) return <mark>{piece.text}</mark>;
  return <mark className={`slot slot-${slots.indexOf(filled.slot) % HUES}`} title={filled.slot}>{piece.text}</mark>;
}

function Saved({ list, use }: { list: RuleList; use: (pattern: string) => void }) {
  const action = useAction(["grammar/rules"]);
  const [started, setStarted] = useState(false);
  if (!list.rules.length && !list.n_stale) return null;
  const apply = async () => { if (await action.act("jobs/grammar/apply", {})) setStarted(true); };
  return (
    <section aria-label="Saved rules" style={{ marginTop: 26, display: "grid", gap: 8, maxWidth: 860 }}>
      <h3>Saved rules</h3>
      {list.n_stale > 0 && <div className="note"><Icon name="warn" />{plural(list.n_stale, "document")} {list.n_stale === 1 ? "was" : "were"} read with other rules.{started ? " They are being read again." : <button type="button" className="btn small" disabled={action.busy} onClick={() => void apply()}>Read them again</button>}</div>}
      {action.fault && <FaultCard error={action.fault} />}
      <ul className="history">
        {list.rules.map((rule: SavedRule) => (
          <li key={rule.id}>
            <span style={{ flex: 1, minWidth: 0 }}>{rule.name && <b>{rule.name} </b>}<code>{rule.pattern}</code><br /><span className="quiet">{rule.subject} {rule.predicate} {rule.object} · {plural(rule.n_findings, "sentence")}{rule.fault && ` · not used: ${rule.fault}`}</span></span>
            <button type="button" className="btn small" onClick={() => use(rule.pattern)}>Search</button>
            <button type="button" className="btn small" disabled={action.busy} aria-label={`Remove the rule ${rule.name || rule.pattern}`} onClick={() => void action.act("grammar/remove", { id: rule.id })}><Icon name="trash" />Remove</button>
          </li>
        ))}
      </ul>
    </section>
  );
}
