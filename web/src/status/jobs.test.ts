import { describe, expect, it } from "vitest";
import type { Job } from "../api/types";
import { isOpen, pace } from "./Jobs";

const job: Job = { id: "a", service: "documents.add", state: "running", attempts: 1, done: 3, total: 12, started_at: "", updated_at: "" };

describe("a job's pace", () => {
  it("says how far, how fast and how long", () => {
    expect(pace({ ...job, rate_per_s: 2, left_s: 300 })).toBe("3 of 12 documents · 2.0 a second · 5 min left");
  });
  it("says nothing that nobody knows", () => {
    expect(pace({ ...job, total: null })).toBe("");
    expect(pace(job)).toBe("3 of 12 documents");
  });
  it("does not take what came in for what was read", () => {
    expect(pace({ ...job, stage: "add", done: 12 })).toBe("12 documents taken in");
  });
});

it("counts a paused job and a waiting one as open", () => {
  expect(["queued", "running", "paused", "done", "failed", "cancelled"].filter((state) => isOpen({ ...job, state: state as Job["state"] }))).toEqual(["queued", "running", "paused"]);
});
