"""The mentions of one document, each with the name it belongs to.

Of what an engine found: where names begin and end, what is none, one type a name, what the document
defines, and which short form stands for which longer one.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from salient.knowledge import bounds, definitions, noise, parties
from salient.knowledge.abbreviations import abbreviations
from salient.knowledge.names import fold, normalise, parse
from salient.knowledge.ontology import Ontology
from salient.knowledge.shortforms import Form, attach
from salient.knowledge.syntax import Tree
from salient.model import Annotations, Text


@dataclass(slots=True)
class Mention:
    """A mention with the name it belongs to: `root` is (type, norm) of the fullest form."""

    start: int
    end: int
    label: str
    score: float
    kind: str
    surface: str
    norm: str
    term_of: int | None = None
    """The mention that a defined term stands for."""
    role: bool = False
    """The term says what somebody is here ("the Supplier"), and is no name of theirs."""
    root: tuple[str, str] = field(default=("", ""))
    locative: bool = False
    """Something is said to be in, near or from what is called so."""


def linked(
    text: Text, annotations: Annotations, ontology: Ontology
) -> tuple[list[Mention], dict[int, str], Tree]:
    """The mentions of a document with their names, in text order.

    Returns:
        The mentions; the terms of parties by mention start, "" for one that only shortens the
        name; and the document's trees.
    """
    mentions = _linkable(text, annotations, ontology)
    tree = Tree(annotations, text.text)
    votes = organisations_by_syntax(tree, mentions)
    _settle_types(mentions, ontology, votes)
    mentions, roles = _with_definitions(text.text, mentions)
    _name(mentions, {norm for norm, n in votes.items() if n < 0})
    return [m for m in mentions if m.root[1]], roles, tree


def _linkable(text: Text, annotations: Annotations, ontology: Ontology) -> list[Mention]:
    spans: list[tuple[int, int, str, float, str]] = []
    taken = -1
    for first, stop, label, score in annotations.labelled(annotations.mentions):
        kind = ontology.type_of(label)
        if kind is None or first < taken or noise.is_furniture(text, first):
            continue  # of nested mentions the outer, which comes first
        start, end = bounds.name_in(text.text, first, stop, kind)
        spans.append((start, end, label, score, kind))
        taken = end
    alone = Counter(normalise(text.text[s:e]) for s, e, *_ in spans)
    found = [
        Mention(*part, label, score, kind, surface, normalise(surface))
        for start, end, label, score, kind in spans
        for part in (bounds.parts(text.text, start, end, alone.keys()) if kind == "ORG" else [(start, end)])
        if (surface := text.text[slice(*part)])
    ]  # fmt: skip
    return _named(text, [m for m in found if not _is_noise(text.text, m)])


def _is_noise(text: str, m: Mention) -> bool:
    return (
        noise.is_no_name(m.norm, m.kind)
        or noise.is_term(m.norm, m.kind)
        or noise.is_reference(m.surface, m.kind)
        or noise.is_address(text, m.start, m.end)
        or bounds.is_description(text, m.start, m.end)
    )


def _named(text: Text, mentions: Sequence[Mention]) -> list[Mention]:
    """Less what is only a term of this document, or only a heading.

    What shares its words with a company that has a legal form is neither; who stands in running
    text, too, is no heading.
    """
    terms = noise.Terms(text.text, definitions.other_terms(text.text, frozenset()))
    parsed = {m.norm: parse(m.norm, "ORG") for m in mentions}
    companies = {name.key for name in parsed.values() if name.legal}
    headings = [
        m.kind not in noise.NEVER_HEADINGS and noise.is_heading(text, m.start, m.end)
        for m in mentions
    ]
    told = {m.norm for m, heading in zip(mentions, headings, strict=True) if not heading}
    counts = Counter(m.norm for m in mentions)
    return [
        m
        for m, heading in zip(mentions, headings, strict=True)
        if parsed[m.norm].key in companies
        or not (
            (heading and m.norm not in told)
            or terms.has(m.surface, m.norm, m.kind, m.label, counts[m.norm])
        )
    ]


# Who is acquired, co-founded or has a chief executive is an organisation, whatever it looks like.
_ORG_OBJECT_OF = frozenset({"acquire", "found", "co-found", "cofound"})
_ORG_ROLE = frozenset({"ceo", "cfo", "cto", "coo", "executive", "founder", "cofounder", "co-founder", "subsidiary", "chairman", "chairwoman", "shareholder"})  # fmt: skip
_IN_COMPANIES = frozenset({"invest", "stake", "share", "interest", "investment", "holding", "stock", "participate", "participation", "confidence", "trust", "role", "position", "round", "result", "believe", "equity", "change", "use", "include", "define", "set"})  # fmt: skip
_PLACE_PREPOSITIONS = frozenset({"in", "near", "to", "from", "into", "across"})


def organisations_by_syntax(tree: Tree, mentions: Sequence[Mention]) -> Counter[str]:
    """Votes for ORG by norm, from what is said of names that the engine took for something else."""
    votes: Counter[str] = Counter()
    row = 0
    for m in mentions:
        while row < len(tree.start) and tree.end[row] <= m.start:
            row += 1
        last = row
        while last + 1 < len(tree.start) and tree.start[last + 1] < m.end:
            last += 1
        if last >= len(tree.start):
            break
        votes[m.norm] += _vote(tree, last, is_org=m.kind == "ORG")
    return votes


def _vote(tree: Tree, row: int, *, is_org: bool) -> int:
    """1 for an organisation, -1 for a place, by what governs the last word of a name."""
    head, label = tree.head[row], tree.deprel[row]
    if label in {"dobj", "obj", "nsubjpass", "nsubj:pass"} and tree.lemma[head] in _ORG_OBJECT_OF:
        return int(not is_org)
    if label != "pobj":
        return 0
    preposition, noun = tree.word[head], tree.lemma[tree.head[head]]
    if preposition in {"of", "at"} and noun in _ORG_ROLE:
        return int(not is_org)
    if is_org:  # money is in companies, too; people and buildings are in towns
        return -int(preposition in {"in", "near"} and noun not in _IN_COMPANIES)
    return -int(preposition in _PLACE_PREPOSITIONS)


def _settle_types(
    mentions: Sequence[Mention], ontology: Ontology, organisations: Mapping[str, int]
) -> None:
    """One type a norm: the one with the higher sum of scores; a legal form is a vote for ORG."""
    votes: dict[str, Counter[str]] = {}
    label_of: dict[tuple[str, str], Counter[str]] = {}
    for mention in mentions:
        votes.setdefault(mention.norm, Counter())[mention.kind] += round(1000 * mention.score)
        label_of.setdefault((mention.norm, mention.kind), Counter())[mention.label] += 1
    order = list(ontology.types)
    winner: dict[str, str] = {}
    heads = _heads_of_companies(votes)
    for norm, vote in votes.items():
        if norm in heads and organisations.get(norm, 0) >= 0:
            winner[norm] = "ORG"  # "Entrust", beside Entrust Ltd
            continue
        if "ORG" in ontology.types and parse(norm, "ORG").legal:
            vote["ORG"] += 2000
        if "ORG" in ontology.types and organisations.get(norm, 0) > 0:
            vote["ORG"] += 1200 * organisations[norm]
        if "PLACE" in vote and organisations.get(norm, 0) < 0:
            vote["PLACE"] -= 700 * organisations[norm]
        winner[norm] = min(vote, key=lambda k: (-vote[k], order.index(k)))
    for mention in mentions:
        kind = winner[mention.norm]
        if mention.kind != kind:
            labels = label_of.get((mention.norm, kind))
            mention.kind = kind
            if labels:
                mention.label = min(labels, key=lambda k: (-labels[k], k))
            else:
                mention.label = (*ontology.types[kind].mentions, kind)[0]


def _heads_of_companies(votes: Mapping[str, Mapping[str, int]]) -> set[str]:
    """Single words that begin a company's full name and are nobody's surname and no place."""
    surnames = {
        norm.split()[-1] for norm, vote in votes.items() if "PERSON" in vote and " " in norm
    }
    heads = {name.core[0] for norm in votes if (name := parse(norm, "ORG")).legal}
    return {
        norm
        for norm, vote in votes.items()
        if norm in heads and norm not in surnames and 2 * vote.get("PLACE", 0) < sum(vote.values())
    }


def _with_definitions(text: str, mentions: list[Mention]) -> tuple[list[Mention], dict[int, str]]:
    """Add mentions of defined terms.

    The dict gives the terms of parties by mention start, "" for one that only shortens the name.
    """
    roles: dict[int, str] = {}
    added: list[Mention] = []
    mentions, bound = _with_parties(text, mentions)
    taken = {at for _, _, at in bound}
    spans = [(m.start, m.end, m.kind) for m in mentions]
    bound += [
        (d.term, d.mention, d.start - 1)
        for d in definitions.defined_terms(text, spans)
        if not any(d.start - 40 <= at <= d.start for at in taken)
    ]
    for term, number, at in bound:
        bearer = mentions[number]
        own = set(normalise(term).split()) <= set(bearer.norm.split())
        roles.setdefault(bearer.start, "" if own else term)
        for place in definitions.occurrences(text, term, at):
            added.append(_standing_for(bearer, number, text, place, 0.85))
            added[-1].role = not own and parties.is_role(term)
    party_terms = frozenset(fold(m.surface) for m in added)
    mentions, long_forms = _with_acronyms(text, mentions)
    added += long_forms
    terms = definitions.other_terms(text, party_terms)
    if not noise.defines_words(text, len(terms)):
        terms = frozenset()  # `the Laboratoire ("European Laboratory")` gives a name, not a term
    terms |= definitions.NOT_PARTIES
    kept = {
        i for i, m in enumerate(mentions)
        if m.norm.removeprefix("the ") not in terms or parse(m.norm, "ORG").legal
    }  # fmt: skip
    return _merged(mentions, kept, added), roles


def _with_parties(
    text: str, mentions: list[Mention]
) -> tuple[list[Mention], list[tuple[str, int, int]]]:
    """The mentions with a preamble's parties as the preamble has them.

    Returns:
        The mentions, and (term, number of the mention that bears it, offset of the definition).
    """
    where = parties.region(text)
    found = list(parties.labelled(text, where))
    if where is not None:
        spans = [(m.start, m.end, m.kind) for m in mentions]
        found += parties.introduced(text, where, definitions.quoted(text), spans)
    bearers: dict[tuple[int, int], Mention] = {}
    bound: list[tuple[str, Mention, int]] = []
    for party in found:
        surface = text[party.start : party.end]
        if not (
            definitions.may_be_party(party.term)
            or set(normalise(party.term).split()) <= set(normalise(surface).split())
        ):
            continue
        place = (party.start, party.end)
        if place not in bearers:
            bearers[place] = Mention(
                *place, party.kind, 0.9, party.kind, surface, normalise(surface)
            )
        bound.append((party.term, bearers[place], party.defined))
    others = [m for m in mentions if not any(m.start < e and s < m.end for s, e in bearers)]
    merged = sorted([*others, *bearers.values()], key=lambda m: m.start)
    number = {id(m): i for i, m in enumerate(merged)}
    return merged, [(term, number[id(m)], at) for term, m, at in bound]


def _standing_for(
    bearer: Mention, index: int, text: str, place: tuple[int, int], score: float
) -> Mention:
    surface = text[slice(*place)]
    return Mention(*place, bearer.label, score, bearer.kind, surface, normalise(surface), index)


def _with_acronyms(text: str, mentions: list[Mention]) -> tuple[list[Mention], list[Mention]]:
    """Mentions with long forms that only their acronym showed, and the acronyms' own."""
    mentions, found_at = list(mentions), [m.start for m in mentions]
    bearer: dict[str, int] = {}
    for (short_start, short_end), (start, end) in abbreviations(text):
        short, long_form = text[short_start:short_end], text[start:end]
        if short in bearer or not _may_be_acronym(short, long_form):
            continue
        number = bisect_right(found_at, start + 4) - 1
        long = number if number >= 0 and start < mentions[number].end else None
        if long is not None and "," not in text[mentions[long].end : end]:
            whole = mentions[long]
            if whole.end < end:
                surface = text[whole.start : end]
                mentions[long] = replace(whole, end=end, surface=surface, norm=normalise(surface))
        if long is None:
            number = bisect_right(found_at, short_start) - 1
            norm = normalise(long_form)
            if number < 0 or mentions[number].end < short_end or not norm:
                continue
            said = mentions[number]
            if said.kind not in {"ORG", "LAW", "PRODUCT", "EVENT"}:
                continue
            mentions.append(Mention(start, end, said.label, 0.7, said.kind, long_form, norm))
            long = len(mentions) - 1
        bearer[short] = long
    places = definitions.acronyms(text, bearer)
    added = [_standing_for(mentions[n], n, text, place, 0.8) for place in places for n in [bearer[text[slice(*place)]]]]  # fmt: skip
    return mentions, added


def _may_be_acronym(short: str, long_form: str) -> bool:
    """Whether an abbreviation is a name's: "IMF", not "approx."."""
    capitals = sum(c.isupper() for c in short)
    return (
        capitals > 1
        and short[0].isupper()
        and " " not in short
        and long_form[:1].isupper()
        and " " in long_form
        and len(long_form) > 1.5 * len(short)
    )


def _merged(mentions: list[Mention], kept: set[int], added: list[Mention]) -> list[Mention]:
    """All in text order. A defined term takes the place of the same words, not of longer ones."""
    both = [m for i, m in enumerate(mentions) if i in kept] + added
    order = sorted(
        range(len(both)),
        key=lambda i: (both[i].start, -both[i].end, both[i].term_of is None, i),
    )
    merged: list[Mention] = []
    for i in order:
        if not merged or both[i].start >= merged[-1].end:
            merged.append(both[i])
    position = {id(m): number for number, m in enumerate(merged)}
    for m in merged:
        if m.term_of is not None:
            # Its bearer may itself have been covered; then the term stands alone.
            m.term_of = position.get(id(mentions[m.term_of]))
    return merged


def _name(mentions: Sequence[Mention], locative: set[str]) -> None:
    """Give every mention its root: the type and norm of the fullest form it is short for."""
    person = {m.norm: normalise(m.surface, person=True) for m in mentions if m.kind == "PERSON"}
    forms: dict[tuple[str, str], Form] = {}
    for m in mentions:
        m.locative = m.norm in locative
        if m.kind == "PERSON":
            m.norm = person[m.norm]
        if m.term_of is None:
            forms[m.kind, m.norm] = Form(m.kind, m.norm, m.locative)
    roots = attach([forms[key] for key in sorted(forms)])
    for m in mentions:
        if m.term_of is None:
            m.root = roots.get((m.kind, m.norm), (m.kind, m.norm))
    for m in mentions:
        if m.term_of is not None:
            m.root = mentions[m.term_of].root
    # A term of a defined name that the engine also found elsewhere, before its definition.
    terms: dict[str, set[tuple[str, str]]] = {}
    for m in mentions:
        if m.term_of is not None:
            terms.setdefault(normalise(m.surface), set()).add(m.root)
    for m in mentions:
        if m.term_of is None and len(known := terms.get(normalise(m.surface), set())) == 1:
            m.root = next(iter(known))
    for m in mentions:
        m.kind = m.root[0] or m.kind
