import { expect, test } from "vitest";
import { duration, languageName, mediaName, plural, size, speed, when } from "./format";
import { HUES, lookOf, orderLabels } from "./labels";

test("sizes are short and never say 1000 of a unit", () => {
  expect([0, 999, 1000, 9949, 99_960, 999_600, 1_200_000_000].map(size)).toEqual(["0 B", "999 B", "1.0 kB", "9.9 kB", "100 kB", "1.0 MB", "1.2 GB"]);
});

test("durations", () => {
  expect([0.0123, 2.34, 59, 90, 3700].map(duration)).toEqual(["12 ms", "2.3 s", "59 s", "2 min", "1 h 2 min"]);
});

test("one is not many", () => {
  expect([plural(1, "page"), plural(2, "page"), plural(0, "entity", "entities")]).toEqual(["1 page", "2 pages", "0 entities"]);
});

test("a time that cannot be read is shown as it came", () => {
  expect(when("last spring")).toBe("last spring");
  expect(when("2020-02-03T10:00:00Z")).toMatch(/2020/);
  expect(when(new Date().toISOString())).toMatch(/^Today /);
});

test("kinds of file have short names, unknown ones too", () => {
  expect(["application/pdf", "text/plain; charset=utf-8", "image/png", "application/x-7z-compressed", null].map(mediaName))
    .toEqual(["PDF", "Text", "PNG", "COMPRESSED", "Unknown"]);
});

test("language codes that mean nothing do no harm", () => {
  expect(languageName("und")).toBe("Not known");
  expect(languageName("not a code!")).toBe("not a code!");
});

test("a type nobody named still has a name, a tag and a steady colour", () => {
  expect(lookOf("GOVERNING_LAW")).toEqual(lookOf("GOVERNING_LAW"));
  expect(lookOf("GOVERNING_LAW").name).toBe("Governing law");
  for (const label of ["", "x", "A:B", "ORG", "👩‍🔬"]) expect(HUES).toContain(lookOf(label).hue);
});

test("known types come first", () => {
  expect(orderLabels({ ZED: 9, DATE: 1, PERSON: 2, CLAUSE: 3 })).toEqual(["PERSON", "DATE", "ZED", "CLAUSE"]);
});

test("a speed is told by the time in which something happens", () => {
  expect([25, 2.5, 0.5, 0.001].map(speed)).toEqual(["25 a second", "2.5 a second", "30 a minute", "4 an hour"]);
});
