/** How numbers, times and kinds of file are written for people. */

const counts = new Intl.NumberFormat(undefined);
export const count = (n: number): string => counts.format(n);

export function plural(n: number, one: string, many = `${one}s`): string {
  return `${count(n)} ${n === 1 ? one : many}`;
}

export function size(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  for (const [unit, scale] of [["kB", 1e3], ["MB", 1e6], ["GB", 1e9], ["TB", 1e12]] as const) {
    const value = bytes / scale;
    if (value < 999.5 || unit === "TB") return `${value < 9.95 ? value.toFixed(1) : Math.round(value)} ${unit}`;
  }
  return "";
}

export function duration(seconds: number): string {
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 60) return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** Documents a second, or an hour where a second is too short a time. */
export function speed(perSecond: number): string {
  if (perSecond >= 0.95) return `${perSecond < 9.95 ? perSecond.toFixed(1) : count(Math.round(perSecond))} a second`;
  if (perSecond * 60 >= 0.95) return `${(perSecond * 60).toFixed(perSecond * 60 < 9.95 ? 1 : 0)} a minute`;
  return `${count(Math.round(perSecond * 3600))} an hour`;
}

/** A value in its standard form; where the words can mean something else, that too. */
export function meaningOf(value: { normal: string; ambiguous: readonly string[] }): string {
  return value.ambiguous.length ? `${value.normal} (or ${value.ambiguous.join(", ")})` : value.normal;
}

const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", year: "numeric" });
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });

/** In the reader's own zone: the clock today, else the day. Unreadable times come back as they are. */
export function when(iso: string, now = new Date()): string {
  const time = new Date(iso);
  if (Number.isNaN(time.getTime())) return iso;
  return time.toDateString() === now.toDateString() ? `Today ${clock.format(time)}` : day.format(time);
}

export const percent = (share: number): string => `${Math.round(share * 100)}%`;

const MEDIA: Record<string, string> = {
  "application/pdf": "PDF", "text/html": "HTML", "application/xhtml+xml": "HTML", "text/plain": "Text", "text/markdown": "Markdown",
  "message/rfc822": "Mail", "application/rtf": "RTF", "text/rtf": "RTF", "text/csv": "CSV", "text/tab-separated-values": "TSV",
  "application/zip": "ZIP", "application/epub+zip": "EPUB", "application/msword": "DOC", "application/vnd.ms-excel": "XLS",
  "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "DOCX",
  "application/vnd.openxmlformats-officedocument.presentationml.presentation": "PPTX",
  "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "XLSX",
  "application/vnd.oasis.opendocument.text": "ODT", "application/vnd.oasis.opendocument.spreadsheet": "ODS",
  "application/octet-stream": "Unknown", "application/json": "JSON", "application/xml": "XML", "text/xml": "XML",
};

/** The short name of a kind of file. */
export function mediaName(type: string | null | undefined): string {
  if (!type) return "Unknown";
  const bare = type.split(";")[0]!.trim();
  if (MEDIA[bare]) return MEDIA[bare];
  const [group, kind = ""] = bare.split("/");
  if (group === "image") return kind.toUpperCase().replace("SVG+XML", "SVG");
  return (kind.split(/[.+-]/).filter(Boolean).at(-1) ?? kind).toUpperCase() || bare;
}

const languages = typeof Intl.DisplayNames === "function" ? new Intl.DisplayNames(undefined, { type: "language" }) : null;
export function languageName(code: string | null | undefined): string {
  if (!code || code === "und") return "Not known";
  try {
    return languages?.of(code) ?? code;
  } catch {
    return code; // not a code that the browser has a name for
  }
}
