import { KeyList } from "../shell/KeyHelp";
import { HUES, lookOf } from "../text/labels";

const SYNTAX: readonly [string, string][] = [
  ["supply agreement", "both words, best matches first"], ["“supply agreement”", "the words together, in this order"], ["agreement -draft", "without a word"],
  ["terminat*", "words that begin so"], ["title:annex", "in one field only"], ["steel OR aluminium", "one or the other"],
];
const TYPES = ["PERSON", "ORG", "PLACE", "DATE", "MONEY", "LAW", "PRODUCT", "EVENT", "NORP", "WORK_OF_ART", "CARDINAL"];

export default function Help() {
  return (
    <div className="view">
      <header className="head"><h1>Help</h1></header>
      <div className="scroll" tabIndex={0} role="region" aria-label="Help"><div className="pad help">
        <section className="card"><h2>Keys</h2><KeyList /></section>
        <section className="card"><h2>Search</h2><dl className="dl">{SYNTAX.map(([form, means]) => <div key={form} style={{ display: "contents" }}><dt className="mono" style={{ color: "var(--ink)" }}>{form}</dt><dd>{means}</dd></div>)}</dl>
          <p className="quiet" style={{ marginTop: 10 }}>“Both” finds by words and by meaning; “Words” only what you typed; “Meaning” passages that say the like in other words. Filters are joined by and, values of one filter by or; the minus beside a value leaves it out.</p></section>
        <section className="card"><h2>Colours of findings</h2><div className="chips">{TYPES.map((t) => <span key={t} className={`tag hue-${lookOf(t).hue}`}>{lookOf(t).name}</span>)}</div>
          <p className="quiet" style={{ marginTop: 10 }}>A type has the same colour everywhere ({HUES.length} in all), and always its name beside it.</p></section>
        <section className="card"><h2>What answers are</h2><p>An answer is a sentence that stands in one of your documents, never one that was made up. The confidence says how often such a sentence is the right one. Where no passage is sure enough, the answer is “not found in your documents”, and the passages looked at are shown for you to judge.</p></section>
        <section className="card"><h2>What becomes of a file</h2><p>Each file ends as done, failed, quarantined, duplicate or unsupported, with the reason beside it. Quarantined files broke a limit of time, memory or size, and are read again only when you say so. What was left out of a file that is done is told in its notes.</p></section>
      </div></div>
    </div>
  );
}
