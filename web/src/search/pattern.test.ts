import { describe, expect, test } from "vitest";
import { inked } from "./pattern";

describe("a pattern in colours", () => {
  const SAID = ["ORG <nsubj- acquire -obj-> ORG", 'a:ORG (-obl[in]-> when:DATE)? !(-neg-> *)', '"x" ..3 [lemma=/a.*/ & upos=VERB] {Halden AS}', "naïve 🙂 -", "<--", ""];

  test("joins to what was typed", () => {
    for (const said of SAID) for (const at of [null, 0, 3, said.length]) expect(inked(said, at).map((p) => p.text).join("")).toBe(said);
  });

  test("tells labels, words, forms and steps apart", () => {
    const kinds = inked(SAID[0]!).filter((p) => p.kind !== "space").map((p) => p.kind);
    expect(kinds).toEqual(["label", "step", "word", "step", "label"]);
    expect(inked("x:ORG").map((p) => p.kind)).toEqual(["slot", "label"]);
  });

  test("marks the place of a mistake, counted in code points", () => {
    const wrong = inked("🙂 <nsubj acquire", 9).filter((p) => p.wrong).map((p) => p.text);
    expect(wrong).toEqual(["acquire"]);
    expect(inked("ORG", 3).some((p) => p.wrong)).toBe(false);
  });
});
