import { expect, test } from "vitest";
import { clashes, KEYS, press, type Key } from "./keys";

test("no key does two things in one view", () => {
  expect(clashes(KEYS)).toEqual([]);
});

test("a double would be seen", () => {
  const doubled: Key[] = [...KEYS, { id: "other", keys: ["j"], scope: "document", does: "" }];
  expect(clashes(doubled)).toEqual(["j: nextFinding, other"]);
  expect(clashes([...KEYS, { id: "g", keys: ["g"], scope: "graph", does: "" }])[0]).toMatch(/^g hides g d/);
});

test("every id and every description is there once", () => {
  expect(new Set(KEYS.map((k) => k.id)).size).toBe(KEYS.length);
  for (const key of KEYS) expect(key.does).toMatch(/^[A-Z]/);
});

test("a pair of keys fires on the second, and an unknown second forgets the first", () => {
  expect(press("g", "", KEYS)).toEqual({ id: null, pending: "g" });
  expect(press("d", "g", KEYS).id).toBe("goDocuments");
  expect(press("z", "g", KEYS)).toEqual({ id: null, pending: "" });
  expect(press("g", "g", KEYS).id).toBe("goGraph");
});
