import { useQueries } from "@tanstack/react-query";
import { useCallback, useMemo, useState } from "react";
import { call } from "./client";

/**
 * A long list of the server, fetched a stretch at a time where it is looked at.
 *
 * `pick` takes the rows out of a reply. `near` goes to `Rows`; `row(i)` is undefined until fetched.
 */
export function useWindowed<Reply extends { total: number }, Row>(service: string, body: object, pick: (reply: Reply) => readonly Row[], size = 100, enabled = true) {
  const key = JSON.stringify(body);
  const [span, setSpan] = useState({ key, first: 0, last: 0 });
  const first = span.key === key ? span.first : 0;
  const last = span.key === key ? span.last : 0;
  const from = Math.floor(first / size);
  const to = Math.floor(last / size);
  const stretches = useMemo(() => [...new Set([0, ...Array.from({ length: to - from + 1 }, (_, i) => from + i)])], [from, to]);
  const replies = useQueries({
    queries: stretches.map((stretch) => ({
      queryKey: [service, body, "window", size, stretch],
      queryFn: ({ signal }: { signal: AbortSignal }) => call<Reply>(service, { ...body, offset: stretch * size, limit: size }, signal),
      placeholderData: (before: Reply | undefined) => before,
      enabled,
    })),
  });
  const rows = new Map<number, readonly Row[]>();
  replies.forEach((reply, i) => reply.data && (i === 0 || !reply.isPlaceholderData) && rows.set(stretches[i]!, pick(reply.data)));
  const near = useCallback((a: number, b: number) => setSpan((s) => (s.key === key && s.first === a && s.last === b ? s : { key, first: a, last: b })), [key]);
  const head = replies[0]!;
  return {
    head: head.data, total: head.data?.total ?? 0, near, error: head.error, pending: head.isPending && enabled, stale: head.isPlaceholderData, refetch: () => void head.refetch(),
    row: (index: number): Row | undefined => rows.get(Math.floor(index / size))?.[index % size],
  };
}
