import { expect, test } from "vitest";
import { batched } from "./uploads";

const files = (...sizes: number[]) => sizes.map((size) => ({ file: { size } }));
const shape = (given: { file: { size: number } }[][]) => given.map((b) => b.map((f) => f.file.size));

test("files go together until there are too many, or too many bytes", () => {
  expect(shape(batched(files(1, 1, 1), 2, 100))).toEqual([[1, 1], [1]]);
  expect(shape(batched(files(60, 50, 50, 1), 10, 100))).toEqual([[60], [50, 50], [1]]);
});

test("one file over the bound goes alone, and nothing is lost", () => {
  expect(shape(batched(files(500, 1, 500), 10, 100))).toEqual([[500], [1], [500]]);
  expect(batched([], 10, 100)).toEqual([]);
});
