import { expect, test } from "vitest";
import type { PassageHit, Piece } from "../api/types";
import { hitPlaces } from "./usePages";

const passage = (view_page: number, ...pieces: [string, number, boolean][]): PassageHit => ({
  score: 1,
  quote: {
    document_id: "d", document_name: "d", title: null, version: "v", start: 0, end: 0, page: view_page, view_page, boxes: [],
    pieces: pieces.map(([text, start, hit]): Piece => ({ text, start, hit, marks: [] })),
  },
});

test("hits come in text order, once each, though passages overlap and come by score", () => {
  const hits = hitPlaces([passage(2, ["notice", 90, true]), passage(1, ["x ", 8, false], ["notice", 10, true], [" period", 16, true], [" y", 23, false], ["notice", 90, true])]);
  expect(hits.map((h) => [h.start, h.end])).toEqual([[10, 23], [90, 96]]);
});

test("a hit's end counts code points, not UTF-16 units", () => {
  expect(hitPlaces([passage(1, ["🚢🚢", 5, true])])[0]).toEqual({ start: 5, end: 7, page: 1 });
});
