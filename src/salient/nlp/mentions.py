"""Clean what a model calls entities, and put it together with values and known names."""

from __future__ import annotations

import bisect
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

from salient.nlp import cues
from salient.nlp.gazetteer import Gazetteer, find_few
from salient.nlp.legal_forms import AFTER, STOPPED_FORMS, end_of_form, without_form
from salient.nlp.units import Unit

RULES_VERSION = "5"
"""Of everything in this package that is not a model. Raise it when equal texts may get others."""

Row = tuple[int, int, str, float]

NAMES = frozenset(
    {"PERSON", "NORP", "FAC", "ORG", "GPE", "LOC", "PRODUCT", "EVENT", "WORK_OF_ART", "LAW"}
)
_PLACES = frozenset({"GPE", "LOC", "FAC"})
_VALUES = frozenset({"DATE", "TIME", "MONEY", "PERCENT", "QUANTITY", "CARDINAL", "ORDINAL"})

_LEADING = re.compile(
    r"(?:[\s\"'“”‘’`(\[{<*#•·|/\\,;:.!?=_~>)\]}-]+|(?:the|an?|this|that|these|those|such|each|any|every|all|"
    r"both|either|its|their|our|his|her|said|and|or|of|by|between|from|to|in|at|for|with|on)\b[\s]+)+",
    re.IGNORECASE,
)
_POSSESSIVE = re.compile(r"['’`][sS]$|(?<=[sSzZxX])['’]$")
_TRAILING = re.compile(
    r"[\s\"“”‘’`(\[{<*#•·|/\\,;:!?=_~>&-]+$|\s(?:and|or|of|by|the|an?|for|to|in)$", re.IGNORECASE
)
_REFERENCE = re.compile(
    r"(?:sections?|sec|articles?|art|clauses?|paragraphs?|para|exhibits?|schedules?|annex(?:es)?|appendix|"
    r"appendices|items?|parts?|chapters?|recitals?|figures?|fig|tables?|pages?|notes?|attachments?|addendum|"
    r"rules?|forms?|steps?|lines?|rows?)\b\.?\s*(?:[\divxlc]+\b|[A-Za-z0-9]{1,2}\b)[\s\w.()-]{0,12}$",
    re.IGNORECASE,
)
_CODE = re.compile(r"[\W\d_]*$|.*[\\{}|<>=@_].*$|.*://.*$|www\.", re.DOTALL)
_TITLE = re.compile(
    r"(?:(?:Mr|Mrs|Ms|Miss|Mx|Dr|Prof|Professor|Sir|Dame|Lord|Lady|Rev|Father|Sen|Senator|Rep|Gov|Governor|"
    r"General|Gen|Colonel|Col|Captain|Capt|Lieutenant|Lt|Sgt|Sergeant|Major|President|Vice President|"
    r"Prime Minister|Minister|Secretary|Chairman|Chairwoman|Judge|Justice|Ambassador|King|Queen|Prince|"
    r"Princess|Pope|Saint|Herr|Frau|Monsieur|Madame|Señor|Señora|Mme|Hon)\.?\s+)+(?=[A-Z])"
)

# Roles, parts and papers of an agreement: "the Company" is somebody, but this is not its name.
GENERIC = frozenset(
    """
    account accounts acquirer act addendum administrator advance advances advisor advisors affiliate affiliates
    agency agent agents agreement agreements amendment annex appendix applicant arranger article articles assignee
    assignor attachment auditor award bank banks bill board bond bondholder bonds borrower borrowers business buyer buyers
    bylaws carrier certificate certificates chairman chairperson claimant claims clause client clients closing code
    collateral commission committee company companies confidential consultant consultants contract contractor contractors
    contracts corporation council counterparty court covenant creditor creditors customer customers debtor defendant
    default deliverable deliverables department depositary developer director directors disclosing discloser distributor
    distributors document documents donor employee employees employer enterprise equipment escrow event exhibit executive
    exhibits expenses facility fee fees fiduciary firm franchisee franchisor fund funds government grantee grantor
    guarantee guarantor guarantors guaranty holder holders holdings indebtedness indemnified indemnifying indemnitee
    indemnitor indenture information infrastructure institution insurer investment investments investor investors
    issuer joint landlord law laws lease lender lenders lessee lessor liability licence license licensee licensees
    licensor licensors lien liens loan loans manager managers management material materials member members memo
    merger mortgagee mortgagor note notes notice obligations obligor offeror officer officers operator option optionee
    order organisation organization owner parent participant parties partner partners partnership party patent patents
    payee payment payor person persons pledgee pledgor policy principal producer product products program programme project
    promissory proposal property provider providers proxy publisher purchaser purchasers recipient register registrant
    regulation regulations releasee releasor representative representatives reseller schedule schedules secretary
    section sections secured securities security seller sellers service services share shareholder shareholders
    shares sheet side site software sponsor state states statement stock stockholder stockholders student subcontractor
    subject subscriber subsidiaries subsidiary successor successors supplier suppliers tenant term termination terms
    territory title trademark trademarks transaction transactions transferee transferor treasurer trust trustee
    underwriter underwriters union unit university user users vendor vendors warrant warrants warrantor website work works
    effective date receiving permitted material adverse default maturity financed funding repayment perfection
    collateral defined foregoing hereof herein hereto thereof general managing senior chief financial executive operating
    """.split()
)
# Salutations, labels of forms and mails, and words that open a line: capitals, and no names.
_OPENERS = frozenset(
    """
    regards thanks thank please hello hi hey dear sincerely cheers yours best kind warm phone tel telephone fax email
    e-mail mobile subject re fw fwd cc bcc from to sent date attn attention ref reference address name title signature
    signed page contents table figure abstract summary introduction conclusion background overview appendix yes no
    ok okay lol fyi asap tbd tba n/a etc vs note notes warning caution important attached enclosed however also
    anyway keep great total subtotal amount quantity price description today tomorrow yesterday mom dad god
    monday tuesday wednesday thursday friday saturday sunday january february march april may june july august september
    october november december whereas witnesseth now therefore provided further
    """.split()
)  # fmt: skip


def component_with(component: str, gazetteer: Gazetteer | None) -> str:
    """The name under which annotations say who made them."""
    return f"{component}+{gazetteer.component}" if gazetteer else component


def trim(text: str, start: int, end: int) -> tuple[int, int]:
    """Cut what is no part of a name off both ends: articles, quotes, brackets, a possessive 's.

    May return an empty span.
    """
    left, right = _trimmed(text[start:end])
    return start + left, start + right


@cues.by_name
def _trimmed(text: str) -> tuple[int, int]:
    start, end = 0, len(text)
    while start < end:
        before = (start, end)
        piece = text[start:end]
        if match := _LEADING.match(piece):
            start += match.end()
            continue
        for pattern in (_TRAILING, _POSSESSIVE):
            if (match := pattern.search(piece)) and match.end() > match.start():
                end = start + match.start()
                break
        piece = text[start:end]
        for opened, closed in ("()", "[]", "{}"):
            if piece.endswith(closed) and piece.count(opened) < piece.count(closed):
                end -= 1
                break
        if text[end - 1 : end] == "." and not _keeps_stop(text[start:end]):
            end -= 1
        if (start, end) == before:
            break
    return start, end


def _keeps_stop(name: str) -> bool:
    """Whether a final "." belongs: "J. R.", "Inc.", "U.S."; not that of a sentence."""
    last = name.rsplit(maxsplit=1)[-1] if name.split() else ""
    return (
        last.count(".") > 1
        or len(last) == 2
        or (last[:-1] in STOPPED_FORMS and bool(AFTER.fullmatch(f" {last}")))
        or last in _STOPPED
    )


_STOPPED = frozenset({"Jr.", "Sr.", "Bros.", "Dr.", "St.", "Dept.", "Univ.", "Assn.", "No."})


@cues.by_name
def is_junk(name: str, label: str) -> bool:
    """Whether a trimmed span cannot be a name of that label, whatever surrounds it."""
    words = [w.strip(".,()'\"’“”").lower() for w in name.split()]
    letters = [c for c in name if c.isalpha()]
    if len(letters) < 2 or _CODE.match(name) or _REFERENCE.match(name):
        return True
    if len(words) == 1 and words[0] in _OPENERS:
        return True
    if not any(c.isupper() for c in letters) and label not in _PLACES and label != "NORP":
        return letters[0].islower()  # scripts without case have no lower-case names
    told = [w for w in words if any(c.isalpha() for c in w)]
    if any(len(w) > 1 for w in told):
        told = [w for w in told if len(w) > 1]  # "A. Subcontractor" is an item of a list
    return all(w in GENERIC or w in _OPENERS for w in told)


def refine(
    text: str,
    found: Iterable[tuple[int, int, str]],
    cut: Sequence[Unit],
    values: Sequence[Row] = (),
) -> list[Row]:
    """Clean a model's entities: trim, complete, throw out junk, and make a document agree.

    Args:
        found: (start, end, label) of the model, in any order.
        cut: the units of the text.
        values: what the grammar found; its companies say what their short names are.

    Returns:
        (start, end, label, score), in order, not overlapping.
    """
    kept: list[tuple[int, int, str]] = []
    common = cues.Common(text, cut)
    for row in sorted(found):
        start, end, label = _cleaned(text, *row)
        if start >= end or (kept and start < kept[-1][1]):
            continue
        if label not in NAMES or not common.names_nothing(text[start:end], label):
            kept.append((start, end, label))
    companies = [text[start:end] for start, end, label, _ in values if label == "ORG"]
    return _scored(text, _agreed(text, kept, cut, companies))


def _cleaned(text: str, start: int, end: int, label: str) -> tuple[int, int, str]:
    """One entity trimmed or completed; empty if it is none."""
    if label not in NAMES:
        return *_stripped(text, start, end), label
    start, end = trim(text, start, end)
    if cues.HONORIFIC_FIRST.match(text[start:end]):
        label = "PERSON"
    if label == "PERSON" and (match := _TITLE.match(text[start:end])):
        start += match.end()
    if start < end and (match := AFTER.match(text, end)) and label not in ("LAW", "NORP"):
        end, label = end_of_form(text, match.end(), match.group().strip(" ,")), "ORG"
    elif start < end:
        label = cues.relabelled(text, start, end, label)
    return start, start if start < end and is_junk(text[start:end], label) else end, label


def _stripped(text: str, start: int, end: int) -> tuple[int, int]:
    piece = text[start:end]
    left = len(piece) - len(piece.lstrip(" \t\n\"'“”‘’()[]"))
    return start + left, start + left + len(piece[left:].rstrip(" \t\n\"'“”‘’()[],;:"))


@cues.by_name
def _surface(text: str) -> str:
    """A name as it is compared within a document."""
    joined = " ".join(text.replace("’", "'").split())
    return joined.title() if joined.isupper() and len(joined) > _ACRONYM else joined


_ACRONYM = 5
_VOTES_TO_SPREAD = 2
# What the model calls "Zanotti" in a text about Zanotti East, Inc. Places lend companies their names.
_OFTEN_COMPANIES = frozenset({"PERSON", "PRODUCT", "WORK_OF_ART", "EVENT", "LAW"})


def _agreed(
    text: str,
    kept: Sequence[tuple[int, int, str]],
    cut: Sequence[Unit],
    companies: Sequence[str],
) -> list[tuple[int, int, str]]:
    """Give each name one label in the document, and find it where the model overlooked it, or part of it."""
    if not kept and not companies:
        return []
    votes: dict[str, Counter[str]] = defaultdict(Counter)
    for start, end, label in kept:
        if label in NAMES:
            votes[_surface(text[start:end])][label] += 1
    parts: dict[str, int] = Counter()
    for name, labels in votes.items():
        words = name.split()
        if labels["PERSON"] * 2 > labels.total() and 2 <= len(words) <= 4:
            for part in {words[0], words[-1]}:
                parts[part] += labels["PERSON"]
    heads = {" ".join(_surface(c).split()[:n]) for c in companies for n in (1, 2)}
    label_of: dict[str, str] = {}
    for name, labels in votes.items():
        best = max(sorted(labels), key=lambda label: labels[label])
        places = sum(labels[p] for p in _PLACES)
        if name in parts and parts[name] >= places:
            best = "PERSON"
        elif name in heads and best in _OFTEN_COMPANIES:
            best = "ORG"
        label_of[name] = best
    relabelled = [
        (a, b, label_of[_surface(text[a:b])] if label in NAMES else label) for a, b, label in kept
    ]
    spread = [
        (name, label) for name, label in label_of.items()
        if label != "NORP" and (" " in name or votes[name].total() >= _VOTES_TO_SPREAD)
    ]  # fmt: skip
    spread += [
        (part, "PERSON") for part in parts
        if part not in label_of and len(part) > 2 and not is_junk(part, "PERSON")
    ]  # fmt: skip
    cores = {without_form(_surface(c)) for c in companies}
    spread += [(core, "ORG") for core in cores if " " in core and core not in label_of]
    overlooked = [
        (a, b, label) for a, b, label in find_few(sorted(_elsewhere(spread, text, kept)), text, cut)
        if text[a].isupper() or not text[a].islower()
    ]  # fmt: skip
    whole = [row for row in overlooked if " " in text[row[0] : row[1]]]
    pieces = [row for row in relabelled if not _is_piece(row, whole)]
    return _without_overlap([pieces, overlooked])


def _elsewhere(
    names: Sequence[tuple[str, str]], text: str, kept: Sequence[tuple[int, int, str]]
) -> Iterator[tuple[str, str]]:
    """Of a short text, those names that may be in it once more than they are kept; of a long one, all.

    A name's first word is counted: if it is not there more often than mentions that hold the whole name, they hold
    each place of it.
    """
    if len(text) > _SHORT:
        yield from names
        return
    folded = text.casefold()
    surfaces = [" ".join(text[a:b].casefold().split()) for a, b, _ in kept]
    for name, label in names:
        whole = name.casefold()
        first = _FIRST_WORD.search(whole)
        if first is None or folded.count(first.group()) > sum(whole in s for s in surfaces):
            yield name, label


_FIRST_WORD = re.compile(r"[^\W_]+")
_SHORT = 4000  # characters, so that counting costs less than looking all words up


def _is_piece(row: tuple[int, int, str], whole: Sequence[tuple[int, int, str]]) -> bool:
    """Whether a mention is a part of a name that the document gives in full elsewhere."""
    at = bisect.bisect_right(whole, (row[0], 1 << 31, ""))
    return at > 0 and whole[at - 1][1] >= row[1] and _length(whole[at - 1]) > _length(row)


def _length(row: tuple[int, int, str]) -> int:
    return row[1] - row[0]


def _without_overlap(
    layers: Iterable[Iterable[tuple[int, int, str]]],
) -> list[tuple[int, int, str]]:
    """All of the first layer, and of each further one what does not touch what is there."""
    kept: list[tuple[int, int, str]] = []
    for layer in layers:
        taken = sorted(kept)
        starts = [r[0] for r in taken]
        for row in layer:
            at = bisect.bisect_left(starts, row[1])
            if at == 0 or taken[at - 1][1] <= row[0]:
                kept.append(row)
    return sorted(kept)


# How often a kept mention of the label was right on development text; `bench/ner.py` shows.
_PRECISION = {"PERSON": 0.8, "GPE": 0.8, "ORG": 0.55, "LOC": 0.7, "FAC": 0.6, "NORP": 0.85, "LAW": 0.6,
              "PRODUCT": 0.45, "EVENT": 0.5, "WORK_OF_ART": 0.45, "LANGUAGE": 0.8, "DATE": 0.85, "TIME": 0.8,
              "MONEY": 0.85, "PERCENT": 0.9, "QUANTITY": 0.75, "CARDINAL": 0.8, "ORDINAL": 0.9}  # fmt: skip


def _scored(text: str, rows: Sequence[tuple[int, int, str]]) -> list[Row]:
    return [(a, b, label, _PRECISION.get(label, 0.5)) for a, b, label in rows]


def combine(named: Sequence[Row], values: Sequence[Row], known: Sequence[Row]) -> list[Row]:
    """Put together what the model, the grammar and the gazetteer say; no two mentions overlap.

    - A known name wins, unless it lies within a longer name: "Halden" in "Halden Maritime AS".
    - A value of the grammar wins over the model's, being cut more exactly.
    - A company with its legal form joins the model's organisation that overlaps it.
    """
    names = [row for row in named if row[2] in NAMES]
    others = [row for row in named if row[2] not in NAMES]
    formed = [row for row in values if row[2] == "ORG"]
    companies = _joined(formed, names)
    exact = [row for row in values if row[2] != "ORG"]
    longer = sorted([*companies, *names])
    sure = [row for row in known if not _within_longer(row, longer)]
    kept: list[Row] = []
    # Once more what is short: the longer name that it lies in may have given way to something else.
    for layer in (sure, exact, companies, formed, names, others, known):
        taken = sorted(kept)
        starts = [r[0] for r in taken]
        for row in layer:
            at = bisect.bisect_left(starts, row[1])
            if at == 0 or taken[at - 1][1] <= row[0]:
                kept.append(row)
    return sorted(kept)


def _joined(companies: Sequence[Row], names: Sequence[Row]) -> list[Row]:
    starts = [r[0] for r in names]
    grown: list[Row] = []
    for row in companies:
        start, end = row[:2]
        at = bisect.bisect_left(starts, end)
        while at and names[at - 1][1] > start:
            at -= 1
            if names[at][2] == "ORG":
                start, end = min(start, names[at][0]), max(end, names[at][1])
        if not grown or start >= grown[-1][1]:
            grown.append((start, end, *row[2:]))
    return grown


def _within_longer(row: Row, longer: Sequence[Row]) -> bool:
    at = bisect.bisect_right(longer, (row[0], 1 << 31, "", 0.0))
    return any(
        a <= row[0] and row[1] <= b and b - a > row[1] - row[0] and score >= _SURE_LONGER
        for a, b, _, score in longer[max(at - 2, 0) : at]
    )


_SURE_LONGER = 0.5
