import { expect, test } from "vitest";
import type { Mention } from "../api/types";
import { groupsOf } from "./FindingsPane";

const mention = (ordinal: number, surface: string, entity: string | null = null, label = "ORG"): Mention => ({
  ordinal, start: ordinal * 10, end: ordinal * 10 + 5, label, surface, entity_id: entity, entity_name: entity && `Name of ${entity}`,
  score: 1, component: "t", page: 1, view_page: 1, boxes: [], value: null,
});

test("spellings of one entity stand together under its name, most frequent first", () => {
  const groups = groupsOf([mention(0, "2021", null, "DATE"), mention(1, "Halden", "e1"), mention(2, "Halden Maritime AS", "e1")]);
  expect(groups.map((g) => [g.name, g.mentions.length])).toEqual([["Name of e1", 2], ["2021", 1]]);
});

test("unlinked spellings that differ in case or breaks stand together, other types apart", () => {
  const groups = groupsOf([mention(0, "New York"), mention(1, "NEW\nYORK"), mention(2, "New York", null, "PLACE")]);
  expect(groups.map((g) => g.mentions.map((m) => m.ordinal))).toEqual([[0, 1], [2]]);
});
