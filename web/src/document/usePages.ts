import { keepPreviousData, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useMemo, useState } from "react";
import { call } from "../api/client";
import type { Mention, Page, PassageHit, SearchReply } from "../api/types";
import { useCall } from "../api/hooks";

export interface Mark { start: number; end: number }

/** One page with its marks. Both panes ask for it; the cache asks the server once. */
export function usePage(id: string, page: number, mark: Mark | null, query: string) {
  const body = { id, page, mark, query: query || null };
  return useQuery<Page>({
    queryKey: ["documents/page", body],
    queryFn: ({ signal }) => call<Page>("documents/page", body, signal),
    placeholderData: keepPreviousData,
    staleTime: Infinity,
  });
}

const STRETCH = 1000;
interface MentionList { total: number; mentions: Mention[] }

/** Everything found in a document, fetched in stretches; `complete` says whether all is there. */
export function useFindings(id: string, enabled: boolean): { mentions: readonly Mention[]; total: number; complete: boolean; error: unknown } {
  const client = useQueryClient();
  const [found, setFound] = useState<{ id: string; mentions: readonly Mention[]; total: number; complete: boolean; error: unknown }>();
  useEffect(() => {
    if (!enabled) return;
    const stop = new AbortController();
    const fetchAll = async () => {
      let mentions: readonly Mention[] = [];
      for (;;) {
        const offset = mentions.length;
        const reply = await client.fetchQuery({
          queryKey: ["documents/mentions", { id, offset }], staleTime: Infinity,
          queryFn: () => call<MentionList>("documents/mentions", { id, offset, limit: STRETCH }),
        });
        if (stop.signal.aborted) return;
        mentions = [...mentions, ...reply.mentions];
        const complete = mentions.length >= reply.total || reply.mentions.length === 0;
        setFound({ id, mentions, total: reply.total, complete, error: null });
        if (complete) return;
      }
    };
    fetchAll().catch((error: unknown) => stop.signal.aborted || setFound({ id, mentions: [], total: 0, complete: true, error }));
    return () => stop.abort();
  }, [client, id, enabled]);
  return found?.id === id ? found : { mentions: [], total: 0, complete: false, error: null };
}

/** Two lists in text order as one, each finding once. */
export function mergedFindings(some: readonly Mention[], more: readonly Mention[]): readonly Mention[] {
  const known = new Set(some.map((m) => m.ordinal));
  const fresh = more.filter((m) => !known.has(m.ordinal));
  return fresh.length ? [...some, ...fresh].sort((a, b) => a.start - b.start || a.ordinal - b.ordinal) : some;
}

export interface HitPlace extends Mark { page: number }
const MAX_HIT_PASSAGES = 500;

/** Where the words looked for stand in the document, in order. */
export function useHits(id: string, query: string): { hits: readonly HitPlace[]; capped: boolean } {
  const reply = useCall<SearchReply<PassageHit>>(
    "search/passages",
    { text: query, mode: "keyword", filters: { document: [id] }, limit: MAX_HIT_PASSAGES },
    { enabled: query.trim() !== "", keep: true },
  );
  return useMemo(() => {
    if (!query.trim() || !reply.data) return { hits: [], capped: false };
    return { hits: hitPlaces(reply.data.hits), capped: reply.data.total > reply.data.hits.length };
  }, [query, reply.data]);
}

/** The hit stretches of some passages, in text order; passages may overlap, hits are told once. */
export function hitPlaces(passages: readonly PassageHit[]): HitPlace[] {
  const found = new Map<number, HitPlace>();
  for (const { quote } of passages) {
    let open: HitPlace | null = null;
    for (const piece of quote.pieces) {
      const end = piece.start + [...piece.text].length; // code points, as the server counts
      if (!piece.hit) open = null;
      else if (open) open.end = end;
      else found.set(piece.start, (open = { start: piece.start, end, page: quote.view_page }));
    }
  }
  return [...found.values()].sort((a, b) => a.start - b.start);
}
