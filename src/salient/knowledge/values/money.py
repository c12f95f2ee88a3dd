"""Amounts of money: ISO 4217 code and exact decimal, `USD 1234.50`; a range is `USD 5000000/6000000`.

A sign that several currencies share ("$", "kr", "rupees") is read as the one most often meant, and the
others are flagged, unless the sign is marked (US$, C$), the language says, or the document does.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from typing import Final

from salient.knowledge.values.numbers import Number, number, plain, scale_of
from salient.knowledge.values.value import NEUTRAL, Conventions, Value, unhedged

_DOLLARS: Final = ("USD", "CAD", "AUD", "NZD", "SGD", "HKD")
_KRONER: Final = ("NOK", "SEK", "DKK")
CODES: Final = frozenset(
    "USD EUR GBP NOK SEK DKK ISK CHF JPY CNY RMB HKD SGD AUD NZD CAD INR KRW TWD THB MYR IDR PHP VND BRL MXN ARS CLP "
    "COP PEN ZAR NGN KES EGP MAD AED SAR QAR ILS TRY PLN CZK HUF RON BGN RUB UAH KWD BHD OMR JOD LKR PKR BDT KZT GHS".split()
)  # fmt: skip
# Sign or word, in lower case -> the currencies it can be, the commonest first.
_MARKS: Final[dict[str, tuple[str, ...]]] = {
    "$": _DOLLARS, "dollar": _DOLLARS, "us$": ("USD",), "u.s.$": ("USD",), "u.s. $": ("USD",), "us $": ("USD",), "us dollar": ("USD",),
    "u.s. dollar": ("USD",), "u.s dollar": ("USD",), "united states dollar": ("USD",), "american dollar": ("USD",), "c$": ("CAD",), "ca$": ("CAD",), "can$": ("CAD",),
    "cdn$": ("CAD",), "canadian dollar": ("CAD",), "a$": ("AUD",), "au$": ("AUD",), "australian dollar": ("AUD",), "nz$": ("NZD",),
    "new zealand dollar": ("NZD",), "s$": ("SGD",), "singapore dollar": ("SGD",), "hk$": ("HKD",), "hong kong dollar": ("HKD",),
    "nt$": ("TWD",), "r$": ("BRL",), "real": ("BRL",), "reais": ("BRL",), "buck": ("USD", "CAD", "AUD"),
    "€": ("EUR",), "euro": ("EUR",), "£": ("GBP",), "pound": ("GBP",), "pound sterling": ("GBP",), "pounds sterling": ("GBP",), "sterling": ("GBP",),
    "british pound": ("GBP",), "quid": ("GBP",), "¥": ("JPY", "CNY"), "yen": ("JPY",), "japanese yen": ("JPY",),
    "yuan": ("CNY",), "renminbi": ("CNY",), "rmb": ("CNY",), "chinese yuan": ("CNY",), "₹": ("INR",), "rs": ("INR", "PKR", "LKR"), "rs.": ("INR", "PKR", "LKR"),
    "rupee": ("INR", "PKR", "LKR"), "indian rupee": ("INR",), "₩": ("KRW",), "won": ("KRW",), "₽": ("RUB",), "ruble": ("RUB", "BYN"), "rouble": ("RUB", "BYN"),
    "₺": ("TRY",), "₴": ("UAH",), "₪": ("ILS",), "shekel": ("ILS",), "₫": ("VND",), "฿": ("THB",), "baht": ("THB",),
    "peso": ("MXN", "ARS", "CLP", "COP", "PHP"), "mexican peso": ("MXN",), "franc": ("CHF", "XOF", "XAF"), "swiss franc": ("CHF",), "sfr": ("CHF",), "fr.": ("CHF",),
    "kr": _KRONER, "kr.": _KRONER, "krone": _KRONER, "kroner": _KRONER, "krona": ("SEK", "ISK"), "kronor": ("SEK",),
    "norwegian krone": ("NOK",), "norwegian kroner": ("NOK",), "swedish krona": ("SEK",), "swedish kronor": ("SEK",), "danish krone": ("DKK",), "danish kroner": ("DKK",),
    "rand": ("ZAR",), "zloty": ("PLN",), "forint": ("HUF",), "ringgit": ("MYR",), "lira": ("TRY",), "dirham": ("AED", "MAD"), "riyal": ("SAR", "QAR"),
    "deutsche mark": ("DEM",), "dm": ("DEM",), "naira": ("NGN",), "dinar": ("KWD", "JOD", "RSD"),
} | {code.lower(): (code,) for code in CODES - {"RMB"}}  # fmt: skip
_CENTS: Final[dict[str, tuple[str, ...]]] = {
    "cent": ("USD", "EUR", "CAD", "AUD"), "¢": ("USD", "CAD", "AUD"), "pence": ("GBP",), "penny": ("GBP",), "p": ("GBP",),
    "øre": ("NOK", "DKK"), "eurocent": ("EUR",),
}  # fmt: skip
_OF_LANGUAGE: Final = {"nb": "NOK", "nn": "NOK", "no": "NOK", "sv": "SEK", "da": "DKK", "ja": "JPY", "zh": "CNY"}  # fmt: skip

_ALL_MARKS = "|".join(re.escape(m) for m in sorted(_MARKS, key=lambda m: (-len(m), m)))
_BEFORE = re.compile(rf"(?P<m>{_ALL_MARKS})(?:s(?=\s))?(?![a-z])\s*(?P<sign>\$|€|£|¥)?\s*")
_AFTER = re.compile(rf"(?<![a-z])(?:in\s+)?(?P<m>{_ALL_MARKS}|{'|'.join(map(re.escape, sorted(_CENTS)))})s?$")  # fmt: skip
_HUNDREDTHS = re.compile(r"\s*(?:\band\b|&)?\s*(?P<c>\d\d|no|xx)\s*/\s*(?:100|xx)(?:ths)?")
_PER = re.compile(r"\s*(?:(?:\bper\b|\beach\b|/)\s*(?P<u>[a-z][a-z .]{0,30})|\b(?:a|an)\s+(?P<v>[a-z]{2,12})|\b(?P<w>apiece|each))$")  # fmt: skip
_LINK = re.compile(r"\s*(?:-|\bto\b|\band\b|\bthrough\b|\bor\b)\s*")
_TWIN = re.compile(r"(?P<a>.{2,120}?)\s*\(\s*(?P<b>[^()]{1,60})\s*\)(?P<c>.{0,40})")
_SCALE = re.compile(r"[a-z]{1,12}\.?$")

_Reading = tuple[Number, tuple[str, ...]]


def money(text: str, language: str = "en", conventions: Conventions = NEUTRAL) -> Value | None:
    """`text` is a cleaned surface, in any case."""
    modifier, body = unhedged(text.lower())
    if (match := _PER.search(body)) and (unit := match["u"] or match["v"] or match["w"]):
        whole = _read(body[: match.start()], language, conventions)
        per = "unit" if unit in {"apiece", "each"} else unit.strip(" .").replace(" ", "_")
        return _value(*whole, f"per_{per}", language, conventions) if whole else None
    found = _read(body, language, conventions)
    if found is not None:
        return _value(*found, modifier, language, conventions)
    return _range(body, modifier, language, conventions)


def _read(text: str, language: str, conventions: Conventions) -> _Reading | None:
    """A number with a currency: "$5 million", "five million dollars", "five million dollars ($5,000,000)"."""
    text = text.strip()
    if (twin := _TWIN.fullmatch(text)) and (both := _twins(twin, language, conventions)):
        return both
    if match := _HUNDREDTHS.search(text):  # "ten and 50/100 dollars", as on cheques
        cents = Fraction(int(match["c"]) if match["c"].isdigit() else 0, 100)
        rest = f"{text[: match.start()]} {text[match.end() :].lstrip()}".strip()
        found = _read(rest, language, conventions)
        if found is None:
            return None
        amount = found[0]
        return Number(amount.value + cents, tuple(o + cents for o in amount.others), amount.note), found[1]  # fmt: skip
    if (parts := re.fullmatch(r"(.+?)(?:,\s*|\s+)and\s+(.+\b(?:cents?|pence))", text)) is not None:
        units, cents_read = (_read(p, language, conventions) for p in parts.groups())
        if units and cents_read and cents_read[0].value < 1:
            return Number(units[0].value + cents_read[0].value), units[1]
    return _marked(text, language, conventions)


def _marked(text: str, language: str, conventions: Conventions) -> _Reading | None:
    sign = -1 if text[:1] == "-" else 1
    text = text.lstrip("-").strip()
    before, after = _BEFORE.match(text), _AFTER.search(text)
    start = before.end() if before else 0
    stop = after.start() if after and after.start() >= start else len(text)
    if stop == len(text):
        after = None
    if before is None and after is None:
        return None
    body = text[start:stop].strip(" -,")
    amount = _number(body, language, conventions)
    if amount is None and before and after:  # "$5 m" ends in a scale, not in a mark
        amount, after = _number(text[start:].strip(" -,"), language, conventions), None
    if amount is None:
        return None
    marks = [m["m"] for m in (after, before) if m]
    if after and after["m"] in _CENTS and after["m"] not in _MARKS and before is None:
        return amount.times(Fraction(sign, 100)), _CENTS[after["m"]]
    known = [_MARKS[m] for m in marks if m in _MARKS]
    if not known:
        return None
    common = tuple(c for c in known[0] if all(c in k for k in known[1:]))
    return amount.times(sign), common or min(known, key=len)


def _number(body: str, language: str, conventions: Conventions) -> Number | None:
    if body in {"a", "one"}:
        return Number(Fraction(1))
    if body in {"no", ""}:
        return None
    body = re.sub(r"[,.]-$", "", body)  # "500,-"
    found = number(body, language, conventions)
    if found is None and body.endswith((" a", " of")):
        found = number(body.rsplit(" ", 1)[0], language, conventions)
    return found


def _twins(match: re.Match[str], language: str, conventions: Conventions) -> _Reading | None:
    """Words and then digits. Where they disagree the words are the value, as in law."""
    first = _read(match["a"] + match["c"], language, conventions)
    second = _read(match["b"], language, conventions)
    if first is None and second is not None:  # "five million (US$5,000,000)"
        bare = number(match["a"], language, conventions)
        first = (bare, second[1]) if bare else None
    if first is not None and second is None:  # "five million (5,000,000) dollars"
        bare = number(match["b"], language, conventions)
        second = (bare, first[1]) if bare else None
    if first is None or second is None:
        return None
    codes = tuple(c for c in first[1] if c in second[1]) or first[1]
    value, digits = first[0].value, second[0].value
    if value == digits or digits in first[0].others or value in second[0].others:
        return Number(value if value == digits or value in second[0].others else digits), codes
    return Number(value, (digits,), "words and digits do not agree"), codes


def _code(codes: tuple[str, ...], language: str, conventions: Conventions) -> tuple[str, ...]:
    """The codes still open, the likeliest first."""
    if len(codes) == 1:
        return codes
    for settled in (conventions.currencies or {}).values():
        if settled in codes:
            return (settled,)
    own = _OF_LANGUAGE.get(language)
    return (own,) if own in codes else codes


def _value(
    amount: Number, codes: tuple[str, ...], modifier: str | None, language: str, conventions: Conventions
) -> Value:  # fmt: skip
    code, *more = _code(codes, language, conventions)
    numbers = [plain(n) for n in (amount.value, *amount.others)]
    others = [f"{code} {n}" for n in numbers[1:]] + [f"{c} {numbers[0]}" for c in more]
    note = amount.note or ("several currencies are written so" if more else "")
    return Value("money", f"{code} {numbers[0]}", amount=numbers[0], unit=code, modifier=modifier, ambiguous=tuple(others), note=note)  # fmt: skip


def _range(
    text: str, modifier: str | None, language: str, conventions: Conventions
) -> Value | None:
    """$5-6 million, between EUR 5 and EUR 6: what one end leaves out the other has."""
    body = re.sub(r"^(?:between|from)\s+", "", text)
    for link in _LINK.finditer(body):
        low_text, high_text = body[: link.start()].strip(" ,"), body[link.end() :].strip(" ,")
        ends = _ends(low_text, unhedged(high_text)[1], language, conventions)
        if ends is None:
            continue
        (low, codes), (high, _) = ends
        if low.value > high.value:
            continue
        code, *more = _code(codes, language, conventions)
        pair = f"{plain(low.value)}/{plain(high.value)}"
        return Value(
            "money", f"{code} {pair}", amount=plain(low.value), high=plain(high.value), unit=code, modifier=modifier,
            ambiguous=tuple(f"{c} {pair}" for c in more), note="several currencies are written so" if more else "",
        )  # fmt: skip
    return None


def _ends(
    low_text: str, high_text: str, language: str, conventions: Conventions
) -> tuple[_Reading, _Reading] | None:
    if not low_text or not high_text:
        return None
    low, high = _read(low_text, language, conventions), _read(high_text, language, conventions)
    if high is None and low is not None:
        bare = number(high_text, language, conventions)
        high = (bare, low[1]) if bare else None
    if high is None:
        return None
    if low is None:
        bare = number(low_text, language, conventions)
        low = (bare, high[1]) if bare else None
    if low is None:
        return None
    codes: Sequence[str] = [c for c in low[1] if c in high[1]]
    if not codes:
        return None
    scale = _scale_at(high_text, language)
    # "$5 to $6 million" means millions twice; "$500 to $1 million" does not.
    if scale and not _scale_at(low_text, language) and low[0].value * scale <= high[0].value:
        low = (low[0].times(scale), low[1])
    return (low[0], tuple(codes)), (high[0], tuple(codes))


def _scale_at(text: str, language: str) -> int | None:
    """The scale at the end of an amount, before its currency."""
    after = _AFTER.search(text)
    text = text[: after.start()].strip() if after else text
    match = _SCALE.search(text)
    return scale_of(match.group(), language) if match and any(c.isdigit() for c in text) else None
