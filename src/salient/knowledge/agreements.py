"""Who made a contract, which one, and when: read from its title and preamble."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from salient.knowledge.dates import is_absolute
from salient.knowledge.names import normalise, parse
from salient.knowledge.parties import region
from salient.knowledge.places import Reference
from salient.knowledge.statements import Candidate

_PARAGRAPH_ENDS = re.compile(r"[.:]\s*\n\s*\n")
_PLACES_OF_LAW = re.compile(r"\b(?:laws?|state|commonwealth|province|courts?|registry|register)\s+of\s*(?:the\s+)?$", re.IGNORECASE)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Preamble:
    """`parties` are indexes of mentions, in order; `start, end` cover the sentence that names them."""

    title: str
    parties: tuple[int, ...]
    date: str | None
    start: int
    end: int


def read_preamble(
    text: str,
    mentions: Sequence[Reference],
    values: Sequence[Reference],
    name_of: Sequence[str],
    introduced: Collection[int] = (),
) -> Preamble | None:
    """The preamble of a contract, None when the text is not one or names fewer than two parties.

    Args:
        name_of: mention index -> its name, so that a party named twice counts once.
        introduced: mentions that the preamble defines a term for: with two or more of them, others
            need a legal form to be parties.
    """
    where = region(text)
    if where is None:
        return None
    start, title, first, end = where.start, where.title, where.first, where.end
    parties: list[int] = []
    seen: set[str] = set()
    last_end = first
    for mention in mentions:
        if mention.start < first or mention.end > end or mention.kind not in {"ORG", "PERSON"}:
            continue
        if _PLACES_OF_LAW.search(text[max(mention.start - 40, 0) : mention.start]):
            continue
        gap = text[last_end : mention.start]
        if len(parties) > 1 and _PARAGRAPH_ENDS.search(gap):
            break  # the clauses that follow name parties too, and others
        # A party stands first, or behind a conjunction, a semicolon, a number or a line of its own.
        joined = re.search(r"(?:\band\b|;|\n|\(\d+\)|\b\d\.|\([a-z]\))[\s,(]*(?:the\s+)?(?:\(\d+\)\s*)?$", gap, re.IGNORECASE)  # fmt: skip
        known = mention.index in introduced
        if parties and not joined and not known:
            continue
        if len(introduced) > 1 and not known:
            name = parse(normalise(text[mention.start : mention.end]), "ORG")
            if not name.legal:
                continue
        if name_of[mention.index] not in seen:
            seen.add(name_of[mention.index])
            parties.append(mention.index)
        last_end = mention.end
        if len(parties) == 8:
            break
    if len(parties) < 2:
        return None
    place = {m.index: m for m in mentions}
    end = max(place[p].end for p in parties)
    closing = re.compile(r"[.;](?=\s)|\n\s*\n").search(text, end)
    if closing and closing.start() - end < 400:
        end = closing.start() + (1 if text[closing.start()] in ".;" else 0)
    date = next(
        (v for v in values if v.kind == "DATE" and start - 400 <= v.start < end and is_absolute(text[v.start : v.end])),
        None,
    )  # fmt: skip
    return Preamble(
        title=_titled(title),
        parties=tuple(parties),
        date=" ".join(text[date.start : date.end].split()) if date else None,
        start=start,
        end=end,
    )


def _titled(title: str) -> str:
    words = " ".join(title.split()).strip(" ,:;-")
    return words.title() if words.isupper() or words.islower() else words


def facts_of(
    preamble: Preamble, mentions: Mapping[int, Reference], roles: Mapping[int, str]
) -> list[Candidate]:
    """A preamble as facts: each party's share in it, its date, and the tie between the parties."""
    found: list[Candidate] = []

    def add(
        predicate: str,
        left: int,
        right: int | None,
        value: str | None,
        confidence: float,
        **more: str,
    ) -> None:
        a = mentions[left]
        b = mentions[right] if right is not None else a
        found.append(
            Candidate(
                predicate, left, right, value, preamble.start, preamble.end, confidence,
                (a.start, a.end), (b.start, b.end), {"agreement": preamble.title, **more},
            )
        )  # fmt: skip

    dated = {"date": preamble.date} if preamble.date else {}
    for party in preamble.parties:
        role = {"role": roles[party]} if roles.get(party) else {}
        add("party_to", party, None, preamble.title, 0.9, **role, **dated)
        if preamble.date:
            add("signed_on", party, None, preamble.date, 0.85)
    for position, left in enumerate(preamble.parties[:4]):
        for right in preamble.parties[position + 1 : 4]:
            add("agreement_with", left, right, None, 0.88, **dated)
    return found
