import { describe, expect, test } from "vitest";
import { choice, filters, href, list, read, text, whole, write } from "./codec";
import { quoteHref, SPECS } from "./places";

/** A small deterministic source of awkward values. */
function* numbers(seed: number): Generator<number> {
  for (let x = seed; ; ) yield (x = (x * 1103515245 + 12345) % 2147483648);
}
const AWKWARD = ["", " ", "a,b", "a&b=c", "x?y#z", "%", "+", "ключ", "👩‍🔬", "a/b", "'\"<>", "a.b", "f.x", "0", "null", "\n"];

function sample(field: { initial: unknown }, name: string, spec: object, next: () => number): unknown {
  const pick = () => AWKWARD[next() % AWKWARD.length]!;
  const { initial } = field;
  if (typeof initial === "boolean") return next() % 2 === 0;
  if (typeof initial === "number" || initial === null) return 10 + (next() % 90_000);
  if (Array.isArray(initial)) return [...new Set(Array.from({ length: next() % 4 }, pick))];
  if (typeof initial === "object") {
    const found: Record<string, string[]> = {};
    for (let i = next() % 3; i > 0; i--) found[["media_type", "label", "x.y"][next() % 3]!] = [...new Set([pick(), pick()])];
    return found;
  }
  const isChoice = read(spec as never, `${name}=zzz`)[name as never] === initial;
  return isChoice ? initial : pick();
}

describe("the address keeps all of a view's state", () => {
  for (const [view, spec] of Object.entries(SPECS)) {
    test(`${view} reads back what it wrote`, () => {
      const source = numbers(view.length + 7);
      const next = () => source.next().value as number;
      for (let i = 0; i < 200; i++) {
        const place = Object.fromEntries(Object.entries(spec).map(([n, f]) => [n, sample(f, n, spec, next)]));
        expect(read(spec, write(spec, place as never))).toEqual(place);
      }
    });

    test(`${view} at its start has an empty address`, () => {
      expect(write(spec, read(spec, ""))).toBe("");
    });
  }

  test("a damaged address reads as the start, not as a fault", () => {
    const spec = { page: whole(1, 1), tab: choice(["a", "b"], "a"), q: text(), l: list(), f: filters() };
    expect(read(spec, "page=-3&tab=zz&%E0%A4%A&page=7&f.=")).toMatchObject({ page: 1, tab: "a", q: "", l: [] });
    expect(read(spec, "page=1e9")).toMatchObject({ page: 1 });
    expect(read(spec, "page=99999999999999999999")).toMatchObject({ page: 1 });
  });

  test("a value given twice is kept once", () => {
    expect(read({ l: list() }, "l=a&l=b&l=a").l).toEqual(["a", "b"]);
  });

  test("filters of one field do not leak into another of a longer name", () => {
    const spec = { f: filters(), ff: filters() };
    expect(read(spec, "f.a=1&ff.a=2")).toEqual({ f: { a: ["1"] }, ff: { a: ["2"] } });
  });
});

test("a quote's link opens its document at the stretch with the words carried over", () => {
  const at = quoteHref({ document_id: "a/b", view_page: 3, start: 10, end: 20 }, "notice period");
  expect(at).toBe("/documents/a%2Fb?page=3&start=10&end=20&q=notice+period");
  expect(href("/x", { q: text() }, {})).toBe("/x");
});
