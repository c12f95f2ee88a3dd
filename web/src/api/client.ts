/** The one door to the server: `call(service, body)` posts to /v1/<service>. */

/** A fault as the server words it, with what a person can do about it. */
export class Fault extends Error {
  constructor(
    readonly code: string,
    message: string,
    readonly context: Record<string, unknown> = {},
    readonly status = 0,
  ) {
    super(message);
  }

  get remedy(): string {
    return REMEDIES[this.code] ?? "Try again; if it stays, the log of the server says more.";
  }
}

const REMEDIES: Record<string, string> = {
  invalid_input: "Change the request: the message says what was wrong with it.",
  not_found: "It may have been deleted. Go back to the list and look again.",
  conflict: "Somebody else changed this first. Reload to see it as it is now.",
  limit_exceeded: "Ask for less at once, or raise the limit in the settings.",
  unsupported: "The storage in use cannot do that. Status lists what is set.",
  misconfigured: "Status shows the failing check and the setting to change.",
  corrupt: "Stored data cannot be read. Add the document again.",
  unavailable: "The server is busy or away. It is safe to try again.",
  timed_out: "It took too long. It is safe to try again.",
  unreachable: "Is the server still running? Start it again, then reload.",
};

export async function call<Reply>(service: string, body: object = {}, signal?: AbortSignal): Promise<Reply> {
  let response: Response;
  try {
    response = await fetch(`/v1/${service}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
      signal,
    });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new Fault("unreachable", "The server does not answer.");
  }
  if (!response.ok) throw await faultOf(response);
  return (await response.json()) as Reply;
}

async function faultOf(response: Response): Promise<Fault> {
  const text = await response.text();
  return faultFrom(response.status, text);
}

/** The fault in an error reply, whoever worded it (the server, or a proxy before it). */
export function faultFrom(status: number, text: string): Fault {
  try {
    const found = JSON.parse(text) as { code?: unknown; message?: unknown; context?: unknown };
    if (typeof found.code === "string" && typeof found.message === "string") {
      const context = typeof found.context === "object" && found.context ? found.context : {};
      return new Fault(found.code, found.message, context as Record<string, unknown>, status);
    }
  } catch {
    // Not JSON: a proxy's page. Its status says enough.
  }
  const code = status === 404 ? "not_found" : status === 413 ? "limit_exceeded" : status >= 500 ? "unavailable" : "invalid_input";
  return new Fault(code, `The server answered ${status}.`, {}, status);
}

export const originalUrl = (id: string): string => `/v1/files/${encodeURIComponent(id)}/original`;
export const pageImageUrl = (id: string, page: number, version: string, scale: number): string =>
  `/v1/files/${encodeURIComponent(id)}/pages/${page}?scale=${scale}&v=${version.slice(0, 12)}`;

/** The address of an export with the filters of the list it belongs to; lists repeat their name. */
export function exportUrl(what: string, form: string, filters: Record<string, string | string[] | undefined> = {}): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(filters))
    for (const one of Array.isArray(value) ? value : value ? [value] : []) query.append(name, one);
  const shown = query.toString();
  return `/v1/exports/${what}.${form}${shown ? `?${shown}` : ""}`;
}
