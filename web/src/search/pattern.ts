/** A pattern cut into coloured pieces, and where it is wrong. The server alone says what is a pattern. */

export type Kind = "label" | "form" | "step" | "word" | "slot" | "sign" | "space";
export interface Inked { text: string; kind: Kind; wrong: boolean }

const PIECES: readonly (readonly [Kind, RegExp])[] = [
  ["space", /\s+/uy],
  ["form", /"(?:[^"\\]|\\.)*"?|\/(?:[^/\\\n]|\\.)+\/|\{[^{}]*\}?/uy],
  ["step", /<--|-->|<[\w:|[\]*. ]*-(?!\w)|-[\w:|[\]*.]+->|\.\.\d*/uy],
  ["slot", /[a-z][a-z0-9_]*:(?=\S)/uy],
  ["label", /[A-Z][A-Z0-9_]+(?!\w)/uy],
  ["word", /[\p{L}\p{N}_]+(?:[-'’.][\p{L}\p{N}_]+)*/uy],
  ["sign", /./suy],
];

/** Pieces that joined are the pattern. `wrongAt` is a code point, as the server counts; at the end it adds a mark. */
export function inked(pattern: string, wrongAt: number | null = null): Inked[] {
  const found: Inked[] = [];
  for (let at = 0; at < pattern.length;) {
    for (const [kind, expression] of PIECES) {
      expression.lastIndex = at;
      const text = expression.exec(pattern)?.[0];
      if (!text) continue;
      found.push({ text, kind, wrong: false });
      at += text.length;
      break;
    }
  }
  if (wrongAt === null) return found;
  const unit = [...pattern].slice(0, wrongAt).join("").length;
  return split(found, unit);
}

/** Mark from a place to the end of its piece. */
function split(pieces: Inked[], unit: number): Inked[] {
  const found: Inked[] = [];
  let start = 0;
  for (const piece of pieces) {
    const inside = unit - start;
    start += piece.text.length;
    if (inside < 0 || inside >= piece.text.length) { found.push(piece); continue; }
    if (inside) found.push({ ...piece, text: piece.text.slice(0, inside) });
    found.push({ ...piece, text: piece.text.slice(inside), wrong: true });
  }
  return found;
}
