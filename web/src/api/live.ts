/** What the server tells by itself: status and jobs, over one event stream, with polling while it is cut. */
import { useQueryClient, type QueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { call } from "./client";
import type { Job, Status } from "./types";

const POLL_MS = 3000;
const SETTLE_MS = 900;
/** Replies that change when documents do. */
const FOLLOWERS = ["grammar/rules", "documents/list", "documents/show", "entities/list", "search/documents", "search/passages"];

/** `live`: told by the server. `asking`: the stream is cut, the server answers. `away`: it does not. */
export type Link = "live" | "asking" | "away";

/** Connect the page to the server's events. */
export function useLive(): Link {
  const client = useQueryClient();
  const [link, setLink] = useState<Link>("live");
  useEffect(() => {
    const source = new EventSource("/v1/events");
    let poll = 0;
    let over = false;
    const catchUp = async () => {
      const answers = await refresh(client);
      if (!over && poll) setLink(answers ? "asking" : "away");
    };
    source.onopen = () => {
      setLink("live");
      window.clearInterval(poll);
      poll = 0;
      void catchUp(); // events are a hint: what happened while the stream was cut is read again
    };
    source.onerror = () => {
      if (!poll) poll = window.setInterval(() => void catchUp(), POLL_MS);
      void catchUp();
    };
    source.addEventListener("status", (event) => takeStatus(client, JSON.parse(event.data as string) as Status));
    source.addEventListener("job", (event) => takeJob(client, JSON.parse(event.data as string) as Job));
    return () => {
      over = true;
      source.close();
      window.clearInterval(poll);
    };
  }, [client]);
  return link;
}

/** Read status and jobs; say whether the server answered. Views show their own faults. */
async function refresh(client: QueryClient): Promise<boolean> {
  try {
    takeStatus(client, await call<Status>("status/show"));
    for (const job of (await call<{ jobs: Job[] }>("jobs/list")).jobs) takeJob(client, job);
    return true;
  } catch {
    return false; // the next try tells more
  }
}

/** What lists follow; how fast it goes and who works changes all the time. */
const counted = (status: Status): string => JSON.stringify({ ...status, jobs: 0, workers: 0, rate_per_s: 0, left_s: 0 });

let later = 0;
function takeStatus(client: QueryClient, status: Status): void {
  const before = client.getQueryData<Status>(["status/show"]);
  client.setQueryData(["status/show"], status);
  if (!before || counted(before) === counted(status) || later) return;
  // At most one refetch a beat, however fast documents finish.
  later = window.setTimeout(() => {
    later = 0;
    for (const service of FOLLOWERS) void client.invalidateQueries({ queryKey: [service] });
  }, SETTLE_MS);
}

function takeJob(client: QueryClient, job: Job): void {
  client.setQueryData<{ jobs: Job[] }>(["jobs/list"], (before) => {
    const others = (before?.jobs ?? []).filter((j) => j.id !== job.id);
    return { jobs: [job, ...others].sort((a, b) => b.started_at.localeCompare(a.started_at)) };
  });
}
