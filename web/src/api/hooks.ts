import { keepPreviousData, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { call, Fault } from "./client";
import type { Job, Status } from "./types";

/** Ask a service and keep its reply. `keep` goes on showing the last reply while the next is fetched. */
export function useCall<Reply>(service: string, body: object = {}, options: { enabled?: boolean; keep?: boolean; steady?: boolean } = {}) {
  const bare = Object.keys(body).length === 0;
  return useQuery<Reply>({
    queryKey: bare ? [service] : [service, body],
    queryFn: ({ signal }) => call<Reply>(service, body, signal),
    enabled: options.enabled ?? true,
    placeholderData: options.keep ? keepPreviousData : undefined,
    staleTime: options.steady ? Infinity : 5000,
  });
}

export const useStatus = () => useCall<Status>("status/show");
export const useJobs = () => useCall<{ jobs: Job[] }>("jobs/list");

/** An action with its fault kept for showing; afterwards the named replies are read again. */
export function useAction(stale: readonly string[]) {
  const client = useQueryClient();
  const [fault, setFault] = useState<Fault | null>(null);
  const [busy, setBusy] = useState(false);
  async function act<Reply>(service: string, body: object): Promise<Reply | null> {
    setBusy(true);
    setFault(null);
    try {
      const reply = await call<Reply>(service, body);
      await Promise.all(stale.map((name) => client.invalidateQueries({ queryKey: [name] })));
      return reply;
    } catch (error) {
      setFault(error instanceof Fault ? error : new Fault("bug", String(error)));
      return null;
    } finally {
      setBusy(false);
    }
  }
  return { act, fault, busy, clear: () => setFault(null) };
}
