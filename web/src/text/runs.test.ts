import { describe, expect, test } from "vitest";
import type { Mention, Piece } from "../api/types";
import { hitStarts, plain, rowsOf, runsOf } from "./runs";

const mention = (ordinal: number, start: number, end: number, label = "ORG"): Mention => ({
  ordinal, start, end, label, surface: "", entity_id: null, entity_name: null, score: 1, component: "t", page: 1, view_page: 1, boxes: [],
});
const piece = (text: string, start: number, marks: number[] = [], hit = false): Piece => ({ text, start, marks, hit });
const index = (...all: Mention[]) => new Map(all.map((m) => [m.ordinal, m]));

describe("runs of marked text", () => {
  test("keep every character of the pieces, in order", () => {
    const pieces = [piece("👩‍🔬 ", 0), piece("Halden", 4, [0]), piece(" Maritime", 10, [0], true), piece(".", 19)];
    const runs = runsOf(pieces, index(mention(0, 4, 19)));
    expect(runs.map((r) => r.text).join("")).toBe(plain(pieces));
  });

  test("a mention that a search hit cuts in two has one first and one last run", () => {
    const runs = runsOf([piece("Halden", 0, [0]), piece(" Mar", 6, [0], true), piece("itime", 10, [0])], index(mention(0, 0, 15)));
    expect(runs.map((r) => [r.first, r.last])).toEqual([[true, false], [false, false], [false, true]]);
  });

  test("the shorter of two nested mentions is shown", () => {
    const runs = runsOf([piece("Bank of ", 0, [0]), piece("Norway", 8, [0, 1])], index(mention(0, 0, 14), mention(1, 8, 14, "PLACE")));
    expect(runs.map((r) => r.mention?.ordinal)).toEqual([0, 1]);
  });

  test("the selected mention wins over a shorter one, and over a hidden type", () => {
    const marks = index(mention(0, 0, 14), mention(1, 8, 14, "PLACE"));
    const runs = runsOf([piece("Bank of ", 0, [0]), piece("Norway", 8, [0, 1])], marks, (m) => m.label === "PLACE", 0);
    expect(runs).toHaveLength(1);
    expect(runs[0]).toMatchObject({ text: "Bank of Norway", first: true, last: true });
  });

  test("a hidden type leaves plain text that joins up", () => {
    const runs = runsOf([piece("a ", 0), piece("b", 2, [0]), piece(" c", 3)], index(mention(0, 2, 3)), () => false);
    expect(runs).toEqual([{ text: "a b c", start: 0, mention: null, first: false, last: false, hit: false }]);
  });

  test("a mark that no mention explains is plain text", () => {
    expect(runsOf([piece("x", 0, [99])], new Map())[0]?.mention).toBeNull();
  });

  test("two mentions that touch stay two", () => {
    const runs = runsOf([piece("Ann", 0, [0]), piece("Bo", 3, [1])], index(mention(0, 0, 3), mention(1, 3, 5)));
    expect(runs.map((r) => [r.text, r.first, r.last])).toEqual([["Ann", true, true], ["Bo", true, true]]);
  });
});

test("neighbouring hit pieces count as one hit", () => {
  expect(hitStarts([piece("a", 0, [], true), piece("b", 1, [0], true), piece(" ", 2), piece("c", 3, [], true)])).toEqual([0, 3]);
});

test("cells come in rows, by column, whatever order they were sent in", () => {
  const cells = [{ row: 1, column: 1 }, { row: 0, column: 0 }, { row: 1, column: 0 }, { row: 3, column: 0 }];
  expect(rowsOf(cells).map((r) => r.map((c) => c.column))).toEqual([[0], [0, 1], [0]]);
});
