"""Companies, found by the legal form that ends their name ("Inc.", "GmbH", "AS", "S.A.")."""

from __future__ import annotations

import re
from collections.abc import Iterator

# Forms that are hardly ever anything else. "." in them is optional in the text.
_CLEAR = """
Inc Incorporated Corp Corporation Company LLC L.L.C LLP L.L.P Ltd Limited PLC GmbH mbH gGmbH KGaA OHG e.V
S.A S.A.S SAS SARL S.A.R.L S.p.A SpA S.r.l Srl S.L S.L.U S.R.L S.A.B Ltda EIRL B.V BV N.V NV CVBA VZW
ASA A/S ApS P/S Aktiebolag Oy Oyj AB hf ehf Sp.z.o.o Kft Zrt Nyrt d.o.o d.d s.r.o a.s EOOD EAD OOO PAO OAO
Pty Pte Sdn Bhd K.K KK G.K JSC PJSC OJSC ULC DAC CLG UAB AAB SIA OÜ A.Ş Tbk FZE FZCO DMCC W.L.L
L.P LP plc N.A
""".split()
# Forms that are also words or initials: only right after a word that is not all in capitals.
_UNCLEAR = "AS AG SE SA SL KG UG DA ANS ENK BA KS Co AD PT LTD CO INC LIMITED CORP".split()
_TAIL = r"(?:(?:,? ?| & )(?:Ltd|LTD|Limited|LIMITED|LLC|Inc|INC|Co|KG|KGaA|Corp|S\.A|A\.G|Bhd|BHD)\b\.?){0,3}"


def _pattern(form: str) -> str:
    # Without its stops "a.s." is a word.
    between = r"\. ?" if form.islower() else r"\.? ?"
    return between.join(map(re.escape, form.split(".")))


_FORMS = "|".join(sorted((_pattern(f) for f in [*_CLEAR, *_UNCLEAR]), key=lambda p: (-len(p), p)))
_UPPER_FORMS = "|".join(
    re.escape(f) for f in ("INCORPORATED", "CORPORATION", "COMPANY", "S.A.", "GMBH", "P.L.C.")
)
FORM = re.compile(
    rf"(?<=[\w)’'.,&])[,]?[ \u00a0\n]({_FORMS}|{_UPPER_FORMS})(?![\w’'-]|\.\w)\.?{_TAIL}"
)
AFTER = re.compile(rf"[,]?[ \u00a0\n](?:{_FORMS}|{_UPPER_FORMS})(?![\w’'-]|\.\w)\.?{_TAIL}")


def _look() -> re.Pattern[str]:
    """Where a form may stand: a blank and the two characters that one begins with.

    `FORM` alone would try every place of the text; of two characters a blank, a stop or a letter is
    rarely right.
    """
    by_first: dict[str, set[str]] = {}
    for form in [
        *_CLEAR,
        *_UNCLEAR,
        "INCORPORATED",
        "CORPORATION",
        "COMPANY",
        "S.A.",
        "GMBH",
        "P.L.C.",
    ]:
        seconds = by_first.setdefault(form[0], set())
        seconds.add(form[1])
        if form[1] == "." and not form.islower():
            seconds |= {" ", form[2]}
    pairs = (f"{a}[{re.escape(''.join(sorted(b)))}]" for a, b in sorted(by_first.items()))
    first = re.escape("".join(sorted(by_first)))
    return re.compile(f"[ \u00a0\n](?=[{first}])(?:{'|'.join(pairs)})")


_LOOK = _look()


def _forms(piece: str) -> Iterator[re.Match[str]]:
    """What `FORM.finditer` gives, in a quarter of its time."""
    floor = 0
    for place in _LOOK.finditer(piece):
        at = place.start()
        if at < floor:
            continue
        comma = at > floor and piece[at - 1] == ","
        match = (comma and FORM.match(piece, at - 1)) or FORM.match(piece, at)
        if match:
            yield match
            floor = match.end()


_LINKS = frozenset(
    "& and of the de du des la le les der die das für et y e i og och für van von do da di del".split()
)
_WORD_BEFORE = re.compile(r"(?:\([\w .&-]{2,30}\)|[\w’'.&/+!-]*[\w’'&+!)])$")
# What stands before a company's name in a sentence with a capital, and is no part of it.
_NOT_FIRST = frozenset(
    """
    the a an this that these those and or of for by between among with from to in on at as if when while
    where whereas each any all such both either neither its his her their our we our mr mrs ms dr
    de du des la le les der die das et y e i og och van von do da di del für & dear re attn attention cc
    subject seller buyer company party parties borrower lender guarantor agent issuer trustee customer
    supplier licensor licensee lessor lessee landlord tenant employer contractor client vendor
    agreement section article exhibit schedule annex appendix
    """.split()
)  # fmt: skip
_AMBIGUOUS = frozenset(
    "Company COMPANY Limited LIMITED Corporation CORPORATION Incorporated".split()
)
_MOST_WORDS = 8
# "In 2021 Halden AS", "since May Halden AS": when, not who.
_BEFORE_WHEN = re.compile(r"\b(?:in|since|by|from|until|during|before|after)\s+$", re.IGNORECASE)
_WHEN = re.compile(
    r"(?:(?:January|February|March|April|May|June|July|August|September|October|November|December),?\s+"
    r"(?:(?:1[89]|20)\d\d,?\s+)?|(?:1[89]|20)\d\d,?\s+)(?=\S)"
)


def find_companies(piece: str) -> list[tuple[int, int, float]]:
    """Find names that end in a legal form, in one unit of text.

    Returns:
        (start, end, score) in order, not overlapping.
    """
    found: list[tuple[int, int, float]] = []
    floor = 0
    for match in _forms(piece):
        start = _start_of_name(piece, floor, match.start())
        form = match.group(1)
        if start is None or start < floor:
            continue
        name = piece[start : match.start()].rstrip(",")
        if (
            form in _UNCLEAR
            and (name.isupper() or len(name) < 2)
            and form not in ("LTD", "INC", "CORP")
        ):
            continue
        if form in _AMBIGUOUS and name.split()[-1].lower() in _NOT_FIRST:
            continue
        end = end_of_form(piece, match.end(), form)
        found.append((start, end, 0.97 if form not in _UNCLEAR else 0.9))
        floor = end
    return found


def without_form(name: str) -> str:
    """A company's name without the legal form that ends it; the name itself if it has none."""
    for match in FORM.finditer(name):
        if match.end() == len(name):
            return name[: match.start()].rstrip(" ,")
    return name


READ_AS = {"AS": "Co"}
"""Forms that are other words as well, and what a reader of English should take them for."""

STOPPED_FORMS = frozenset("Inc Corp Ltd Co Bhd L.P LP S.A N.A B.V N.V L.L.C Pty Pte".split())


def end_of_form(text: str, end: int, form: str) -> int:
    """Where a legal form ends that was matched up to `end`: a sentence's stop is not the form's."""
    if text[end - 1] != "." or not _ends_sentence(text, end):
        return end
    bare = form.rstrip(".")
    return end if "." in bare or bare in STOPPED_FORMS else end - 1


def _ends_sentence(piece: str, end: int) -> bool:
    rest = piece[end : end + 2]
    return not rest.strip() or (rest[0].isspace() and rest[1:2].isupper())


def _start_of_name(piece: str, floor: int, end: int) -> int | None:
    """Walk left over capitalised words and the small words between them."""
    best: int | None = None
    at = end
    for _ in range(_MOST_WORDS):
        match = _WORD_BEFORE.search(piece, max(floor, at - 60), at)
        if not match or not match.group().strip("."):
            break
        word = match.group()
        first = next((c for c in word if c.isalnum()), "")
        small = word.strip(".,").lower()
        if small in _NOT_FIRST and not (small in _LINKS and best is not None):
            break
        if word == "The":
            break  # begins the sentence, or is as well left out
        if small == "the" or (small in _LINKS and not word[0].isupper()):
            pass
        elif first.isupper() or first.isdigit():
            best = match.start()
        else:
            break
        at = match.start()
        if at == floor or not piece[at - 1].isspace():
            # "Smith, Jones & Co" goes on over the comma only before "&"; else the name ends here.
            break
        at -= 1
        if at and piece[at - 1] in ".;:!?" and len(piece[:at].rsplit(maxsplit=1)[-1]) > 3:
            break
    if best is not None and _BEFORE_WHEN.search(piece, max(floor, best - 9), best):
        match = _WHEN.match(piece, best, end)
        return match.end() if match else best
    return best
