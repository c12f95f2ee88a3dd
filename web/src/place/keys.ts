/** Every key of the application, in one list: the help shows it, a test keeps it free of doubles. */

export type Scope = "everywhere" | "lists" | "document" | "graph";
export interface Key {
  id: string;
  keys: readonly string[];
  scope: Scope;
  does: string;
}

export const KEYS = [
  { id: "help", keys: ["?"], scope: "everywhere", does: "Show this list of keys" },
  { id: "find", keys: ["/"], scope: "everywhere", does: "Go to the search box" },
  { id: "goDocuments", keys: ["g d"], scope: "everywhere", does: "Documents" },
  { id: "goSearch", keys: ["g s"], scope: "everywhere", does: "Search" },
  { id: "goAsk", keys: ["g a"], scope: "everywhere", does: "Ask" },
  { id: "goEntities", keys: ["g e"], scope: "everywhere", does: "Entities" },
  { id: "goGraph", keys: ["g g"], scope: "everywhere", does: "Graph" },
  { id: "goStatus", keys: ["g t"], scope: "everywhere", does: "Status" },
  { id: "theme", keys: ["t"], scope: "everywhere", does: "Light or dark" },
  { id: "rowDown", keys: ["j", "ArrowDown"], scope: "lists", does: "Next row" },
  { id: "rowUp", keys: ["k", "ArrowUp"], scope: "lists", does: "Previous row" },
  { id: "rowOpen", keys: ["Enter"], scope: "lists", does: "Open the row" },
  { id: "rowSelect", keys: ["x"], scope: "lists", does: "Select the row" },
  { id: "nextFinding", keys: ["j"], scope: "document", does: "Next finding" },
  { id: "previousFinding", keys: ["k"], scope: "document", does: "Previous finding" },
  { id: "nextHit", keys: ["n"], scope: "document", does: "Next match of the search" },
  { id: "previousHit", keys: ["N"], scope: "document", does: "Previous match of the search" },
  { id: "previousPage", keys: ["["], scope: "document", does: "Previous page" },
  { id: "nextPage", keys: ["]"], scope: "document", does: "Next page" },
  { id: "openEntity", keys: ["e"], scope: "document", does: "Open the entity of the selected finding" },
  { id: "clear", keys: ["Escape"], scope: "document", does: "Let go of the selection" },
  { id: "fit", keys: ["f"], scope: "graph", does: "Fit the graph to the window" },
  { id: "unpick", keys: ["Escape"], scope: "graph", does: "Let go of the selection" },
] as const satisfies readonly Key[];

export type KeyId = (typeof KEYS)[number]["id"];

/** Keys of one scope that would fire for two actions at once, as `key: id, id`. */
export function clashes(keys: readonly Key[]): string[] {
  const found: string[] = [];
  for (const scope of new Set(keys.map((k) => k.scope))) {
    const live = keys.filter((k) => k.scope === scope || k.scope === "everywhere");
    const owners = new Map<string, Set<string>>();
    for (const key of live) for (const name of key.keys) owners.set(name, (owners.get(name) ?? new Set()).add(key.id));
    for (const [name, ids] of owners) {
      if (ids.size > 1) found.push(`${name}: ${[...ids].join(", ")}`);
      const led = [...owners.keys()].find((other) => other !== name && other.startsWith(`${name} `));
      if (led) found.push(`${name} hides ${led}`);
    }
  }
  return [...new Set(found)];
}

/** What follows from a key press: an action, the first half of a pair, or nothing. */
export function press(name: string, pending: string, live: readonly Key[]): { id: string | null; pending: string } {
  const pair = pending ? `${pending} ${name}` : "";
  const whole = live.find((k) => pair && k.keys.includes(pair)) ?? live.find((k) => k.keys.includes(name));
  if (whole) return { id: whole.id, pending: "" };
  return { id: null, pending: live.some((k) => k.keys.some((s) => s.startsWith(`${name} `))) ? name : "" };
}

/** How a key is written on a key cap. */
export const capOf = (name: string): string =>
  ({ ArrowDown: "↓", ArrowUp: "↑", Escape: "Esc", Enter: "↵" })[name] ?? name;
