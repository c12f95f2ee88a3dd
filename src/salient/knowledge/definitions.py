"""Names that a document defines for itself.

As in `Halden Maritime AS (the "Supplier")`, `International Monetary Fund (IMF)`, `"Buyer" means
Beta Ltd`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from salient.knowledge.names import fold, normalise, parse
from salient.knowledge.parties import is_role

_OPEN = "\"“”„«'‘"
_CLOSE = "\"”“»'’"
_QUOTED = re.compile(rf"[{_OPEN}]\s*((?:the\s+)?[^\s{_OPEN}{_CLOSE}][^{_OPEN}{_CLOSE}\n]{{0,60}}?)[,.]?\s*[{_CLOSE}]", re.IGNORECASE)  # fmt: skip
_PARENTHESIS = re.compile(r"\(([^()\n]{0,160})\)")
_HEREINAFTER = re.compile(rf"here(?:in)?after\s*,?\s*(?:also\s+)?(?:referred\s+to\s+as|called|known\s+as)?\s*[,:]?\s*(?:the\s+)?(?=[{_OPEN}])", re.IGNORECASE)  # fmt: skip
_DESCRIPTION = re.compile(r"\s*,|\s+(?:a|an|of|with|having|incorporated|organi[sz]ed|registered|located|whose|acting|here(?:in)?after|on\s+behalf|and\s+its)\b", re.IGNORECASE)  # fmt: skip
_MEANS = re.compile(rf"[{_OPEN}]([A-Z][^{_OPEN}{_CLOSE}\n]{{1,50}})[{_CLOSE}]\s+(?:means|shall\s+mean|refers\s+to|is)\s+(?:the\s+)?")  # fmt: skip
_COLLECTIVE = re.compile(r"\b(?:collectively|together|jointly|each|individually)\b", re.IGNORECASE)
_WITH_HEIRS = re.compile(r"together\s+with\s+(?:its|his|her|their)\b", re.IGNORECASE)
_ACRONYM = re.compile(r"(?<![\w-])[A-Z][A-Za-z0-9&.\-]{0,10}[A-Za-z0-9](?![\w-])")
_NEXT_WORD_CAPITAL = re.compile(r"[ \t]+[A-Z][a-z]")

# Terms that name the paper or the deal, never one of its parties.
NOT_PARTIES = frozenset(
    {
        "agreement", "contract", "amendment", "lease", "plan", "note", "notes", "bonds", "shares", "stock", "common stock",
        "effective date", "closing date", "commencement date", "date", "closing", "term", "initial term", "services",
        "service", "products", "product", "goods", "work", "works", "parties", "party", "premises", "property", "territory",
        "confidential information", "purchase price", "price", "fee", "fees", "project", "program", "site", "facility",
        "transaction", "merger", "offering", "act", "order", "law", "licensed products", "software", "intellectual property",
        "deliverables", "field", "affiliate", "affiliates", "person", "securities", "warrants", "loan", "loans", "assets",
        "schedule", "exhibit", "statement of work", "sow", "letter", "policy", "report", "recitals", "trademarks", "marks",
        "patent", "patents", "patent rights", "invention", "method", "system", "deposit", "vessel", "equipment", "business",
        "facility agreement", "loan agreement", "escrow account", "escrow agent", "third party", "third parties", "indemnified party",
        "disclosing party", "receiving party", "governing law", "force majeure", "witnesseth", "whereas", "exhibit a", "exhibit b", "annex",
        "appendix", "article", "section", "clause", "recital", "board", "board of directors", "change of control", "business day", "business days",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Defined:
    """`term` (without "the") stands for the mention numbered `mention`, from offset `start` on."""

    term: str
    mention: int
    start: int
    end: int


def defined_terms(text: str, spans: Sequence[tuple[int, int, str]]) -> list[Defined]:
    """Find what the document calls its organisations and people.

    Args:
        spans: (start, end, type) of mentions, in text order.

    Cost: linear in the text.
    """
    parties = [(i, s, e) for i, (s, e, kind) in enumerate(spans) if kind in {"ORG", "PERSON"}]
    found: list[Defined] = []
    if not parties:
        return found
    previous_end = 0
    for start, end, terms in quoted(text):
        boundary, previous_end = max(previous_end, start - 700), end
        before = [p for p in parties if boundary <= p[1] and p[2] <= start]
        for term in terms:
            if not may_be_party(term):
                continue
            chosen = _bearer(text, start, before, term)
            if chosen is not None and _befits(text[slice(*spans[chosen][:2])], term):
                found.append(Defined(term, chosen, text.index(term, start), end))
    for match in _MEANS.finditer(text):
        term = _bare(match.group(1))
        after = next((p for p in parties if match.end() <= p[1] <= match.end() + 2), None)
        if after is not None and fold(term) not in NOT_PARTIES:
            found.append(Defined(term, after[0], match.start(1), match.end()))
    return found


def quoted(text: str) -> list[tuple[int, int, list[str]]]:
    """Each place that defines something, with its terms: `(the "Buyer")`, `hereinafter "Buyer"`.

    What is defined for several together is not listed, but the place is.
    """
    if not any(c in text for c in _OPEN):
        return []
    places = [(m.start(), m.end(), m.group(1)) for m in _PARENTHESIS.finditer(text)]
    for match in _HEREINAFTER.finditer(text):
        if text[: match.start()].rstrip().endswith("("):
            continue
        name = _QUOTED.match(text, match.end())
        if name:
            places.append((match.start(), name.end(), name.group(0)))
    found = []
    for start, end, inside in sorted(places):
        if not _QUOTED.search(inside):
            continue
        together = _COLLECTIVE.search(inside)
        if together and _WITH_HEIRS.match(inside, together.start()):
            together = None
        own = inside[: together.start()] if together else inside
        found.append((start, end, [_bare(m.group(1)) for m in _QUOTED.finditer(own)]))
    return found


def may_be_party(term: str) -> bool:
    """Whether a defined term can name a party, not the paper, a thing or a time."""
    return bool(term) and term[:1].isupper() and fold(term) not in NOT_PARTIES


def _befits(surface: str, term: str) -> bool:
    """Whether a term is of the party that stands before it: its own words, its initials, or a role.

    Behind a party's name stand definitions of many things that it has or does.
    """
    own, called = set(normalise(surface).split()), set(normalise(term).split())
    return (
        called <= own
        or is_role(term)
        or (" " not in term and not term.endswith("s") and _is_company(surface))
        or (" " not in term and sum(c.isupper() for c in term) > 1)
    )


def _is_company(surface: str) -> bool:
    return bool(parse(normalise(surface), "ORG").legal)


def other_terms(text: str, party_terms: frozenset[str]) -> frozenset[str]:
    """What the document defines that is no party: "Premises", "Facility", "Effective Date". Folded."""
    if not any(c in text for c in _OPEN):
        return frozenset()
    found: set[str] = set()
    for match in _PARENTHESIS.finditer(text):
        found.update(fold(_bare(m.group(1))) for m in _QUOTED.finditer(match.group(1)))
    found.update(fold(_bare(m.group(1))) for m in _MEANS.finditer(text))
    return frozenset(found - party_terms)


def _bare(term: str) -> str:
    term = " ".join(term.split())
    return term[4:] if term[:4].lower() == "the " else term


def _bearer(
    text: str, parenthesis: int, before: Sequence[tuple[int, int, int]], term: str
) -> int | None:
    """The party that a parenthesis behind it gives a name to."""
    if not before:
        return None
    words = fold(term).split()
    for index, start, end in reversed(before):
        own = fold(text[start:end]).split()
        if set(words) <= set(own) or fold(term) == "".join(w[0] for w in own):
            return index
    index, start, end = before[-1]
    # "Foo AS, Strandgaten 4, Bergen (the "Buyer")": not the town, though it was taken for a company.
    companies = [p for p in before if _is_company(text[p[1] : p[2]])]
    if companies and not _is_company(text[start:end]):
        before = companies[:1]
    elif parenthesis - end <= 2:
        return index
    # The first one since the last definition, when what follows it describes it up to here.
    for index, _start, end in before:
        gap = text[end:parenthesis]
        if (
            _DESCRIPTION.match(gap)
            and "\n\n" not in gap
            and not re.search(r"[.;]\s+[A-Z]", gap[:-1])
        ):
            return index
    return None


def occurrences(text: str, term: str, start: int) -> Iterator[tuple[int, int]]:
    """Where a defined term stands from `start` on, as written or in capitals, not inside a longer one."""
    written = {term, term.upper(), term.title() if term.isupper() and is_role(term) else term}
    pattern = re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, sorted(written)))})(?![\w-])")
    for match in pattern.finditer(text, start):
        if not _goes_on(text, match.end()):
            yield match.span()


def _goes_on(text: str, end: int) -> bool:
    """Whether what ends here is part of a longer term: "Supplier Group", but not "Supplier and"."""
    return _NEXT_WORD_CAPITAL.match(text, end) is not None


def acronyms(text: str, known: Collection[str]) -> Iterator[tuple[int, int]]:
    """Where acronyms stand, in text order, in one pass whatever their number."""
    for match in _ACRONYM.finditer(text):
        if match.group() in known and not _goes_on(text, match.end()):
            yield match.span()
