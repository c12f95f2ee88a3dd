/** Names and colours of entity and mention types. A type keeps its colour in every view. */

interface Look { name: string; plural: string; tag: string; hue: Hue }
export type Hue = "rose" | "blue" | "green" | "amber" | "olive" | "violet" | "orange" | "red" | "teal" | "plum" | "grey";
export const HUES: readonly Hue[] = ["rose", "blue", "green", "amber", "olive", "violet", "orange", "red", "teal", "plum", "grey"];

const LOOKS: Record<string, Look> = {
  PERSON: { name: "Person", plural: "People", tag: "per", hue: "rose" },
  ORG: { name: "Organisation", plural: "Organisations", tag: "org", hue: "blue" },
  PLACE: { name: "Place", plural: "Places", tag: "place", hue: "green" },
  GPE: { name: "Place", plural: "Places", tag: "place", hue: "green" },
  LOC: { name: "Location", plural: "Locations", tag: "loc", hue: "green" },
  FAC: { name: "Site", plural: "Sites", tag: "site", hue: "green" },
  DATE: { name: "Date", plural: "Dates", tag: "date", hue: "amber" },
  TIME: { name: "Time", plural: "Times", tag: "time", hue: "amber" },
  MONEY: { name: "Amount", plural: "Amounts", tag: "money", hue: "olive" },
  PERCENT: { name: "Percentage", plural: "Percentages", tag: "%", hue: "olive" },
  QUANTITY: { name: "Quantity", plural: "Quantities", tag: "qty", hue: "olive" },
  LAW: { name: "Law", plural: "Laws", tag: "law", hue: "violet" },
  PRODUCT: { name: "Product", plural: "Products", tag: "prod", hue: "orange" },
  EVENT: { name: "Event", plural: "Events", tag: "event", hue: "red" },
  NORP: { name: "Group", plural: "Groups", tag: "group", hue: "teal" },
  LANGUAGE: { name: "Language", plural: "Languages", tag: "lang", hue: "teal" },
  WORK_OF_ART: { name: "Work", plural: "Works", tag: "work", hue: "plum" },
  ORDINAL: { name: "Ordinal", plural: "Ordinals", tag: "ord", hue: "grey" },
  CARDINAL: { name: "Number", plural: "Numbers", tag: "num", hue: "grey" },
  NUMBER: { name: "Number", plural: "Numbers", tag: "num", hue: "grey" },
  EMAIL: { name: "Mail address", plural: "Mail addresses", tag: "mail", hue: "teal" },
  URL: { name: "Web address", plural: "Web addresses", tag: "url", hue: "teal" },
  PHONE: { name: "Telephone", plural: "Telephones", tag: "tel", hue: "teal" },
  IDENTIFIER: { name: "Identifier", plural: "Identifiers", tag: "id", hue: "grey" },
};
const SPARE: readonly Hue[] = ["plum", "teal", "violet", "orange", "red", "rose", "blue", "green"];

/** How a type looks; one we have no word for gets its own name, spelt for people, and a steady colour. */
export function lookOf(label: string): Look {
  const known = LOOKS[label];
  if (known) return known;
  const words = label.replace(/[_\s:.-]+/g, " ").trim().toLowerCase();
  const name = words.charAt(0).toUpperCase() + words.slice(1) || "Other";
  let sum = 0;
  for (const character of label) sum = (sum * 31 + character.codePointAt(0)!) >>> 0;
  return { name, plural: name, tag: words.slice(0, 6) || "other", hue: SPARE[sum % SPARE.length]! };
}

/** Types in the order people look for them: those we know first, the rest by count. */
export function orderLabels(counts: Readonly<Record<string, number>>): string[] {
  const rank = Object.keys(LOOKS);
  const place = (label: string) => (rank.indexOf(label) + 1 || 1000);
  return Object.keys(counts).sort((a, b) => place(a) - place(b) || counts[b]! - counts[a]! || a.localeCompare(b));
}
