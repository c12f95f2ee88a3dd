"""Where in a text the things that a query asks for stand."""

from __future__ import annotations

from salient.storage.search.analysis import STOP_WORDS, Token, tokens
from salient.storage.search.query import Asked, Either, Node, Prefix, Words


def marks(text: object, field: str, asked: Asked) -> tuple[tuple[int, int], ...]:
    """Spans of what was asked for in `field`, in order, not overlapping.

    A span covers whole words, in code points of `text`; the words of a phrase are one span, and
    are marked only where they stand in a row.

    Cost: analyses the text.
    """
    if not isinstance(text, str):
        return ()
    phrases: dict[str, list[tuple[str, ...]]] = {}
    prefixes: list[str] = []
    for clause in asked.clauses:
        if clause.occur != "not":
            _collect(clause.node, field, phrases, prefixes)
    if not phrases and not prefixes:
        return ()
    found: list[tuple[int, int]] = []
    row: list[Token] = list(tokens(text))
    for at, token in enumerate(row):
        end = 0
        for phrase in phrases.get(token.stem, ()):
            last = at + len(phrase) - 1
            if last < len(row) and all(row[at + i].stem == term for i, term in enumerate(phrase)):
                end = max(end, row[last].end)
        if not end and prefixes and token.word.startswith(tuple(prefixes)):
            end = token.end
        if not end:
            continue
        if found and token.start < found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], end)
        else:
            found.append((token.start, end))
    return tuple(found)


def _collect(
    node: Node, field: str, phrases: dict[str, list[tuple[str, ...]]], prefixes: list[str]
) -> None:
    match node:
        case Words(name, terms) if name in (None, field) and terms:
            phrases.setdefault(terms[0], []).append(terms)
        case Prefix(name, start, term) if name in (None, field):
            prefixes.append(start)
            if term not in STOP_WORDS:
                phrases.setdefault(term, []).append((term,))
        case Either(nodes):
            for one in nodes:
                _collect(one, field, phrases, prefixes)
