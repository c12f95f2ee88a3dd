"""Office Math to a line of text that a person can read and search: fractions as a/b, powers as x^2."""

from __future__ import annotations

from salient.readers.ooxml import attribute, child
from salient.readers.safe_xml import Element, local

_MAX_DEPTH = 60


def linear(node: Element, depth: int = 0) -> str:
    """Write a formula in one line; what has no form of its own is written in order."""
    if depth > _MAX_DEPTH:
        return "".join(t.text or "" for t in node.iter() if local(t) == "t")
    name = local(node)

    def part(which: str) -> str:
        found = child(node, which)
        return "" if found is None else linear(found, depth + 1)

    if name == "t":
        return node.text or ""
    if name == "f":
        return f"{_grouped(part('num'))}/{_grouped(part('den'))}"
    if name == "sSup":
        return f"{part('e')}^{_grouped(part('sup'))}"
    if name == "sSub":
        return f"{part('e')}_{_grouped(part('sub'))}"
    if name == "sSubSup":
        return f"{part('e')}_{_grouped(part('sub'))}^{_grouped(part('sup'))}"
    if name == "rad":
        degree = part("deg")
        return f"{degree}√{_grouped(part('e'))}"
    if name == "nary":
        sign = child(child(node, "naryPr"), "chr")
        symbol = (attribute(sign, "val") if sign is not None else "∫") or "∫"
        below, above = part("sub"), part("sup")
        bounds = (f"_{_grouped(below)}" if below else "") + (f"^{_grouped(above)}" if above else "")
        return f"{symbol}{bounds} {part('e')}"
    if name == "d":
        inner = ", ".join(linear(n, depth + 1) for n in node if local(n) == "e")
        properties = child(node, "dPr")
        start, end = child(properties, "begChr"), child(properties, "endChr")
        left = "(" if start is None else attribute(start, "val") or ""
        right = ")" if end is None else attribute(end, "val") or ""
        return f"{left}{inner}{right}"
    if name == "oMathPara":
        return "\n".join(linear(n, depth + 1) for n in node if local(n) == "oMath")
    if name == "func":
        return f"{part('fName')} {part('e')}"
    if name.endswith("Pr"):
        return ""
    return "".join(linear(n, depth + 1) for n in node)


def _grouped(text: str) -> str:
    text = text.strip()
    return text if len(text) <= 1 or text.isalnum() else f"({text})"
