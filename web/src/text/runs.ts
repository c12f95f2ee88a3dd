/** From the server's pieces to runs of marked text. Pure, so that it can be tested without a page. */
import type { Mention, Piece } from "../api/types";

/** A stretch drawn in one way. `first` and `last` say whether the mention begins or ends here. */
export interface Run {
  text: string;
  start: number;
  mention: Mention | null;
  first: boolean;
  last: boolean;
  hit: boolean;
}

/**
 * Decide for each piece which mention it shows: the selected one where it reaches, else the shortest
 * shown one over it (so that a name nested in a longer one stays clickable).
 */
export function runsOf(
  pieces: readonly Piece[],
  mentions: ReadonlyMap<number, Mention>,
  shown: (mention: Mention) => boolean = () => true,
  selected: number | null = null,
): Run[] {
  const runs: Run[] = [];
  for (const piece of pieces) {
    if (!piece.text) continue;
    const mention = winner(piece.marks, mentions, shown, selected);
    const before = runs.at(-1);
    if (before && before.mention === mention && before.hit === piece.hit) before.text += piece.text;
    else runs.push({ text: piece.text, start: piece.start, mention, first: false, last: false, hit: piece.hit });
  }
  runs.forEach((run, i) => {
    run.first = run.mention !== null && runs[i - 1]?.mention !== run.mention;
    run.last = run.mention !== null && runs[i + 1]?.mention !== run.mention;
  });
  return runs;
}

function winner(
  marks: readonly number[],
  mentions: ReadonlyMap<number, Mention>,
  shown: (mention: Mention) => boolean,
  selected: number | null,
): Mention | null {
  let best: Mention | null = null;
  for (const ordinal of marks) {
    const mention = mentions.get(ordinal);
    if (!mention) continue;
    if (ordinal === selected) return mention;
    if (!shown(mention)) continue;
    if (!best || mention.end - mention.start < best.end - best.start) best = mention;
  }
  return best;
}

export const plain = (pieces: readonly Piece[]): string => pieces.map((p) => p.text).join("");

/** Starts of the stretches that are hits, neighbouring pieces counted once, in order. */
export function hitStarts(pieces: readonly Piece[]): number[] {
  const found: number[] = [];
  let inside = false;
  for (const piece of pieces) {
    if (piece.hit && !inside) found.push(piece.start);
    inside = piece.hit;
  }
  return found;
}

/** A table's cells as rows of a grid; a cell is listed in the row where it begins. */
export function rowsOf<C extends { row: number; column: number }>(cells: readonly C[]): C[][] {
  const rows = new Map<number, C[]>();
  for (const cell of cells) {
    const row = rows.get(cell.row);
    if (row) row.push(cell);
    else rows.set(cell.row, [cell]);
  }
  return [...rows.entries()].sort((a, b) => a[0] - b[0]).map(([, row]) => row.sort((a, b) => a.column - b.column));
}
