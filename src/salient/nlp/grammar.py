"""Values and names that their form gives away: money, dates, times, measures, addresses, laws, companies.

Patterns work in tables and in languages that the model does not know. Reading a value's meaning
(an ISO date, an amount) is `knowledge.values`.

A text is looked at once, for what can begin or end a value: a digit, a currency sign, a month, a unit after a
blank. What follows or precedes that place decides which patterns are tried there, and only there.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence

from salient.model import FURNITURE, Kind
from salient.nlp import check_digits
from salient.nlp.legal_forms import find_companies
from salient.nlp.units import MAX_RUN, Unit

Row = tuple[int, int, str, float]

# A digit, "." or "," on either side would make it a part of a longer number or code.
_NUMBER = r"\d{1,3}(?:[,.’' \u00a0\u202f]\d{3}){1,9}(?:[.,]\d{1,4})?|\d{1,30}(?:[.,]\d{1,30})?"
# A full stop behind a scale is its own only where the scale is cut short: "5 million." ends there.
_SCALE = (
    r"(?:[ \u00a0\n-]?(?i:thousand|million|billion|trillion|crores?|lakhs?)\b"
    r"|[ \u00a0-]?(?:(?:mn|bn|tn|MM|[kKmMbB])\b|(?:mill?|[Mm]io|[Mm]rd)\b\.?))"
)
_CODES = (
    "USD|EUR|GBP|NOK|SEK|DKK|ISK|CHF|JPY|CNY|RMB|HKD|SGD|AUD|NZD|CAD|INR|KRW|TWD|THB|MYR|IDR|PHP|VND|"
    "BRL|MXN|ARS|CLP|COP|PEN|ZAR|NGN|KES|EGP|MAD|AED|SAR|QAR|ILS|TRY|PLN|CZK|HUF|RON|BGN|RUB|UAH"
)
_PREFIXES = ("US", "CA", "AU", "NZ", "HK", "NT", "S", "C", "A", "R")
_SIGNS = rf"(?:{'|'.join(_PREFIXES)})?\$|[€£¥₹₩₽₺₴₪₫฿]"
_UNITS = (
    r"(?:U\.?S\.?|United States|Canadian|Australian|Hong Kong|Singapore|New Zealand)?\s?dollars?|euros?|"
    r"(?:British )?pounds?(?: sterling)?|cents?|yen|yuan|renminbi|rupees?|rubles?|won|pesos?|reais|francs?|"
    r"(?:Norwegian |Swedish |Danish )?(?:kroner|kronor|krone|krona)"
)
_MONTH = (
    r"(?:January|February|March|April|May|June|July|August|September|October|November|December|"
    r"JANUARY|FEBRUARY|MARCH|APRIL|MAY|JUNE|JULY|AUGUST|SEPTEMBER|OCTOBER|NOVEMBER|DECEMBER|"
    r"Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)\b\.?"
)
_DAY = r"(?:0?[1-9]|[12]\d|3[01])"
_YEAR = r"(?:1[5-9]|20)\d\d"
_S = r"[ \t\u00a0\n]{1,3}"
_B = r"[ \u00a0\n-]"
_WORDS = (
    "one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|"
    "eighteen|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|thousand|million|billion|trillion|"
    "half|quarters?|thirds?"
)
_BETWEEN = (
    r"(?:business|calendar|working|trading|banking|consecutive|successive|full|fiscal|additional)"
)
_TIME_UNIT = r"(?:seconds?|minutes?|hours?|hrs?)"
_DATE_UNIT = r"(?:days?|weeks?|fortnights?|months?|years?|yrs?|decades?|centuries|century)"
_ZONE = (
    r"(?:[ECMP][SD]?T|GMT|UTC|CES?T|BST|(?:Eastern|Central|Mountain|Pacific|London|Greenwich|New York(?: City)?)"
    r"(?: (?:Standard|Daylight|Mean|Prevailing))?(?: [Tt]ime))\b"
)

# --- patterns, each tried at a place ----------------------------------------------------------------

_EMAIL = re.compile(r"[A-Za-z0-9][\w.+-]{0,63}@(?:[A-Za-z0-9-]{1,63}\.){1,6}[A-Za-z]{2,24}\b")
_URL = re.compile(
    rf"(?:https?://|www\.)[^\s<>\"'()\[\]{{}}]{{2,{MAX_RUN}}}(?<![.,;:!?])", re.IGNORECASE
)
_NUMERIC_DATE = re.compile(
    rf"(?<![\w/.-])(?:{_YEAR}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])(?![\w-])"
    rf"|{_DAY}[./]{_DAY}[./](?:{_YEAR}|\d\d)(?![\w/]|[.]\d))"
)
_DAY_MONTH = re.compile(
    rf"\b{_DAY}(?:st|nd|rd|th)?{_S}(?:day{_S}of{_S}|of{_S})?{_MONTH},?(?:{_S}{_YEAR}\b)?"
)
_MONTH_FIRST = re.compile(
    rf"\b(?:{_MONTH}{_S}{_DAY}(?:st|nd|rd|th)?\b(?:,?{_S}{_YEAR}\b)?|{_MONTH},?{_S}(?:of{_S})?{_YEAR}\b)"
)
_PART_OF_YEAR = re.compile(
    rf"\b(?:Q[1-4][ /-]?(?:FY)?{_YEAR}|FY[ -]?(?:{_YEAR}|\d\d)|H[12]{_S}{_YEAR}"
    rf"|(?:first|second|third|fourth){_S}(?:fiscal{_S})?quarter{_S}(?:of{_S})?(?:fiscal{_S})?(?:year{_S})?{_YEAR}"
    rf"|(?:first|second){_S}half{_S}of{_S}{_YEAR}|fiscal{_S}(?:year{_S})?{_YEAR})\b",
    re.IGNORECASE,
)
_SIGN_MONEY = re.compile(
    rf"(?:(?:{_CODES})[ \u00a0]?(?:{_SIGNS})?|(?:{_SIGNS}))[ \u00a0]?(?:{_NUMBER})(?![\d])"
    rf"(?:[-–](?:{_SIGNS})?(?:{_NUMBER})(?!\d))?{_SCALE}?(?:[ \u00a0](?:{_CODES})\b)?"
)
_NUMBER_MONEY = re.compile(
    rf"(?<![\w.,$€£¥/-])(?:{_NUMBER})(?!\d)(?:{_SCALE}(?=[ \u00a0\n]))?[ \u00a0\n]?(?:(?:{_CODES})\b|[€£]"
    rf"|(?:{_UNITS})\b)"
)
_PERCENT = re.compile(
    rf"(?<![\w.,])(?:(?:{_NUMBER})[-–])?(?:{_NUMBER})[ \u00a0]?(?:%|‰|(?:per[ \u00a0]?cent|percentage{_S}points?"
    rf"|basis{_S}points?|bps)\b)"
)
_REGULATION = re.compile(
    r"\b(?:Council |Commission |Delegated |Implementing )*(?:Regulation|Directive|Decision)s? "
    r"(?:\((?:EU|EC|EEC|Euratom|CFSP)[^)]{0,10}\) )?(?:No\.? ?)?\d{2,4}/\d{1,4}(?:/(?:EU|EC|EEC))?\b"
)
_US_CODE = re.compile(
    r"\b\d{1,3} (?:U\.? ?S\.? ?C\.?|C\.? ?F\.? ?R\.?)(?: Part| Sec(?:tion|\.))? ?§{0,2} ?\d[\w.()-]{0,60}\w"
)
_ACT = re.compile(
    r"\b(?:[A-Z][\w’'&-]{0,40},?[ \n](?:(?:and|of|for|on|in|to|the|&)[ \n]){0,2}){1,8}?"
    r"(?:Act|Code|Ordinance|Convention|Treaty)(?:,? (?:of )?(?:1[5-9]|20)\d\d\b)"
)
_PHONE = re.compile(
    r"(?<![\w+])(?:\+\d{1,3}[ .-]?(?:\(\d{1,4}\)[ .-]?)?\d{1,4}(?:[ .-]?\d{2,4}){1,4}"
    r"|\(\d{3}\) ?\d{3}[-. ]\d{4})(?![\w-])"
)
_CLOCK = re.compile(
    rf"(?<![\w.,:/-])(?:(?:0?\d|1\d|2[0-3])(?:[:.][0-5]\d(?::[0-5]\d)?)?[ \u00a0]?(?:[ap]m\b|[AP]M\b|[ap]\.[ ]?m\.|[AP]\.[ ]?M\.)"
    rf"|(?:[01]?\d|2[0-3]):[0-5]\d(?::[0-5]\d)?(?![\w:-])|(?:1[0-2]|[1-9])[ ]o['’]clock\b)(?:,?[ ]\(?{_ZONE}\)?)?"
)
_DURATION = re.compile(
    rf"(?<![\w.,$€£¥/-])(?:\d{{1,4}}(?:[-–]|{_S}to{_S}))?(?:{_NUMBER})(?!\d)\)?{_B}{{1,2}}(?:{_BETWEEN}{_B}){{0,2}}"
    rf"(?:(?P<t>{_TIME_UNIT})|{_DATE_UNIT})\b",
    re.IGNORECASE,
)
_LONG_UNIT = (
    r"(?:kilo|centi|milli|mega|giga|deci)?(?:met(?:er|re)s?|grams?|grammes?|lit(?:er|re)s?|watts?(?:[ -]hours?)?|hertz|volts?|"
    r"bytes?)|miles?|feet|foot|inches|inch|yards?|acres?|hectares?|barrels?|gallons?|ounces?|tons?|tonnes?|knots?|"
    r"metric[ ]ton(?:ne)?s?|nautical[ ]miles?|horsepower|degrees?[ ](?:Celsius|Fahrenheit)"
)
_QUANTITY = re.compile(
    rf"(?<![\w.,$€£¥/-])(?:\d{{1,4}}(?:[-–]|{_S}to{_S}))?(?:{_NUMBER})(?!\d)(?:[ -](?:thousand|million|billion))?[ \u00a0\n-]?"
    rf"(?:(?:(?i:square|cubic|sq\.?|cu\.?)[ ](?i:feet|foot|ft|yards?|inch(?:es)?|miles?|(?:kilo|centi)?met(?:er|re)s?|km|m)"
    rf"|(?i:{_LONG_UNIT})|(?:[kcmµ]m|[kcm]?m[23²³]|km²|[km]g|µg|g|[mcd][lL]|[kMGT]Wh?|[kM]V|[kMG]?Hz|[kMGT]B|lbs?|oz|ft|mph|"
    rf"k?bbls?|ha|km/h|m/s|psi|MMBtu|[kM]Pa|sqm|sqft|dB)(?![\w²³])|°[ ]?[CF]\b)"
    rf"(?:[ ]per[ ](?:day|year|hour|minute|second|annum)\b|/(?:day|year|hour|d|h)\b)?)(?!\w)"
)
_SECTION = re.compile(
    r"\b(?:[Ss]ections?|SECTION|Secs?\.|[Aa]rticles?|ARTICLE|Arts?\.|[Cc]lauses?|[Pp]aragraphs?|§{1,2})[ \u00a0\n]?"
    r"(?:\d{1,4}[A-Z]?(?:[.-]\d{1,4}){0,5}(?:[ ]?\([A-Za-z0-9]{1,4}\)){0,5}|[IVXLC]{1,7}\b)(?![\w(]|[.]\d)"
    r"(?![ ](?:of|to)[ ](?:the|that|this)[ ](?:(?:[A-Z\d][\w.]{1,20}[ ]){0,8}(?:Act|Code|Law|Regulations?|Treaty)|[A-Z]{2,6})\b)"
)
_SECTION_SIGN = re.compile(r"§{1,2}[ \u00a0]?\d{1,4}[A-Z]?(?:[.-]\d{1,4}){0,5}(?:\([A-Za-z0-9]{1,4}\)){0,5}")  # fmt: skip
_SEP = r"(?:[ ]?(?:[Nn]o|[Nn]umber|[Cc]ode)\.?)?[ ]?[:#]?[ ]?"
_LED = re.compile(
    rf"(?:ISBN(?:-1[03])?{_SEP}(?:97[89][ -]?)?(?:\d[ -]?){{9}}[\dX]|ISSN{_SEP}\d{{4}}-\d{{3}}[\dX]|IBAN{_SEP}[A-Z]{{2}}\d\d(?:[ ]?[A-Z0-9]){{11,30}}"
    rf"|ISIN{_SEP}[A-Z]{{2}}[A-Z0-9]{{9}}\d|LEI{_SEP}[A-Z0-9]{{18}}\d\d|CUSIP{_SEP}[0-9A-Z]{{6}}[ ]?[0-9A-Z]{{2}}[ ]?\d"
    rf"|(?:BIC|SWIFT){_SEP}[A-Z]{{6}}[A-Z0-9]{{2}}(?:[A-Z0-9]{{3}})?|VAT{_SEP}[A-Z]{{2}}[ ]?[A-Z0-9]{{2,13}}|EIN{_SEP}\d\d-\d{{7}}"
    rf"|DOI{_SEP}10\.\d{{4,9}}/[^\s\"<>]{{1,120}}(?<![.,;)])|ECLI:[A-Z]{{2}}:[A-Z0-9.]{{1,7}}:\d{{4}}:[A-Z0-9.]{{1,24}}[A-Z0-9]"
    rf"|CELEX{_SEP}\d{{5}}[A-Z]{{1,2}}\d{{4}})\b"
)
_PATENT = re.compile(
    r"\b(?:(?:U\.?S\.?[ ]|European[ ])?Pat(?:ent)?\.?(?:[ ](?:Publication|Pub\.))?[ ](?:Nos?\.|Number)[ ]?(?:RE|D)?\d{1,2}[, ]\d{3}[, ]\d{3}(?:[ ]?[AB]\d)?"
    r"|(?:US|EP)[ ]?\d{1,2}[, ]?\d{3}[, ]?\d{3}[ ]?[AB]\d?|WO[ ]?(?:19|20)\d\d/\d{5,6}(?:[ ]?A\d)?|PCT/[A-Z]{2}\d{2,4}/\d{5,6}"
    r"|(?:Application|Serial|Ser\.|Appl\.)(?:[ ]Serial)?[ ]Nos?\.?[ ]?\d\d/\d{3},?\d{3})(?!\w)"
)
_CASE = re.compile(
    r"\b(?:(?:Case[ ]|Civil[ ]Action[ ])?No\.[ ]?)?\d{1,2}:\d\d-(?:cv|cr|mc|md|ml|mj|bk|ap)-\d{3,6}(?:-[A-Za-z]{1,5}){0,4}(?!\w)"
)
_CASE_LEAD = re.compile(r"(?:(?:Case |Civil Action )?No\. ?)$")
_DOI = re.compile(r"(?<![\w./])10\.\d{4,9}/[^\s\"<>]{1,120}(?<![.,;)])")
_CODE = re.compile(r"[A-Z0-9]{12,34}(?![\w-])")

_SCORES = {
    "EMAIL": 0.99, "URL": 0.98, "DATE": 0.97, "MONEY": 0.98, "PERCENT": 0.98, "LAW": 0.95, "PHONE": 0.9, "TIME": 0.9,
    "QUANTITY": 0.95, "IDENTIFIER": 0.95,
}  # fmt: skip

# --- where to look ----------------------------------------------------------------------------------

# By first letter: what a value can begin with, as parts of a pattern.
_STARTS = (
    f"{_CODES.replace('|', ' ')} Jan(?:uary|\\b) Feb(?:ruary|\\b) Mar(?:ch|\\b) Apr(?:il|\\b) May\\b June? July? Aug(?:ust|\\b) "
    "Sep(?:t|\\b) Oct(?:ober|\\b) Nov(?:ember|\\b) Dec(?:ember|\\b) JANUARY FEBRUARY MARCH\\b APRIL\\b MAY\\b JUNE\\b JULY\\b "
    "AUGUST\\b SEPTEMBER OCTOBER NOVEMBER DECEMBER Q[1-4] FY H[12]\\b First\\b Second\\b Third\\b Fourth\\b Fiscal\\b Section SECTION Sec[.s] Article ARTICLE "
    "Art[.s] Clause Paragraph Act\\b Code\\b Ordinance Convention Treaty Council Commission Delegated Implementing Regulation Directive "
    "Decision ISBN ISSN IBAN ISIN LEI\\b CUSIP BIC\\b SWIFT VAT\\b EIN\\b DOI\\b ECLI: CELEX Patent\\b Pat\\. U\\.?S\\.?\\x20?\\d "
    "U\\.?S\\.?\\x20Pat European\\x20Pat EP\\x20?\\d WO\\x20?\\d PCT/ Application\\x20(?:Serial\\x20)?No Serial\\x20No Ser\\. Appl\\."
).split()  # fmt: skip
# After a blank or a hyphen: a unit that may end a value in words, or the start of one in lower case.
_ENDS = (
    "d(?:ays?|ollars?|ecades?)|h(?:ours?|alf)|m(?:onths?|inutes?|iles?|et(?:er|re)s?|idnight)|weeks?|y(?:ears?|en)|"
    "p(?:er ?cent|ounds?)|f(?:eet|ortnights?|iscal)|c(?:ents|entur(?:y|ies)|lauses?)|euros?|a(?:cres?|rticles?)|t(?:ons|onnes?)|"
    "b(?:arrels|asis)|k(?:ilomet(?:er|re)s?|ron(?:er|or))|s(?:econds|ections?)|noon|quarter"
)
# Arabic, Persian, Devanagari and full-width digits, beside ours.
_DIGITS = "0123456789" + "".join(chr(a + i) for a in (0x660, 0x6F0, 0x966, 0xFF10) for i in range(10))  # fmt: skip
_MONEY_SIGNS = "$€£¥₹₩₽₺₴₪₫฿"


_DIGIT_OR_SIGN = re.compile(rf"[{_DIGITS}{_MONEY_SIGNS}§@+]\d*")
_END = re.compile(rf"[ \n-](?:{_ENDS})\b")


def _starts() -> re.Pattern[str]:
    """Every alternative begins with a letter of its own, so `re` skips to the next of these."""
    by_letter: dict[str, list[str]] = {}
    for part in _STARTS:
        by_letter.setdefault(part[0], []).append(part[1:])
    return re.compile("|".join(f"{a}(?:{'|'.join(rest)})" for a, rest in sorted(by_letter.items())))


_START = _starts()
_ADDRESS = ("://", "www.")

# What follows a number -> the patterns that its value can have.
_MONEYED = (("MONEY", _NUMBER_MONEY),)
_SCALED = (("MONEY", _NUMBER_MONEY), ("QUANTITY", _QUANTITY))
_SHARED = (("PERCENT", _PERCENT),)
_MEASURED = (("QUANTITY", _QUANTITY),)
_LASTING = (("DATE", _DURATION),)
_DATED = (("DATE", _DAY_MONTH),)
_CLOCKED = (("TIME", _CLOCK),)
_Tries = tuple[tuple[str, re.Pattern[str]], ...]


def _following() -> dict[str, _Tries]:
    found: dict[str, _Tries] = {}
    for words, tries in (
        ("st nd rd th day of january february march april may june july august september october november december jan feb "
         "mar apr jun jul aug sep sept oct nov dec", _DATED),
        ("percent per percentage basis bps % ‰", _SHARED),
        ("am pm a p o", _CLOCKED), ("u c usc cfr", (("LAW", _US_CODE),)),
        (f"€ £ dollar dollars euro euros pound pounds british cent cents yen yuan renminbi rupee rupees ruble rubles won peso pesos reais franc francs "
         f"kroner kronor krone krona norwegian swedish danish canadian australian united hong singapore new us {_CODES.replace('|', ' ').lower()}", _MONEYED),
        ("thousand million billion trillion crore crores lakh lakhs mn bn tn mm k m b mil mill mio mrd", _SCALED),
        ("second seconds minute minutes hour hours hr hrs day days week weeks fortnight fortnights month months year years yr yrs "
         "decade decades century centuries business calendar working trading banking consecutive successive full fiscal additional", _LASTING),
        ("square cubic sq cu meter meters metre metres kilometer kilometers kilometre kilometres centimeter centimeters centimetre centimetres "
         "millimeter millimeters millimetre millimetres gram grams kilogram kilograms milligram milligrams liter liters litre litres milliliter milliliters "
         "watt watts kilowatt kilowatts megawatt megawatts gigawatt gigawatts hertz kilohertz megahertz gigahertz volt volts kilovolt kilovolts byte bytes "
         "kilobyte kilobytes megabyte megabytes gigabyte gigabytes terabyte terabytes mile miles feet foot inch inches yard yards acre acres hectare hectares "
         "barrel barrels gallon gallons ounce ounces ton tons tonne tonnes knot knots metric nautical horsepower degree degrees km cm µm kg mg µg g ml dl cl "
         "kw mw gw tw kwh mwh gwh twh kv hz khz mhz ghz kb gb tb lb lbs oz ft mph bbl bbls kbbl kbbls ha psi mmbtu kpa mpa sqm sqft db ° °c °f", _MEASURED),
    ):  # fmt: skip
        for word in words.split():
            found[word] = found.get(word, ()) + tries
    found["day"] = (*_LASTING, *_DATED)
    return found


_FOLLOWING = _following()
_NUM = re.compile(_NUMBER)
_SECOND = re.compile(rf"(?:[-–]|{_S}to{_S})(?:{_NUMBER})")
_WORD_AFTER = re.compile(r"\)?[ \u00a0\n-]{0,2}(°[ ]?[CF]?|[A-Za-zµ]{1,13}|[%‰€£])")

# What a unit after a blank ends -> its label and pattern; None: it begins a value itself.
_END_LABELS = {
    word: label
    for label, words in (
        ("DATE", "day,days,week,weeks,fortnight,fortnights,month,months,year,years,decade,decades,century,centuries"),
        ("TIME", "hour,hours,minute,minutes,seconds"),
        ("MONEY", "dollar,dollars,euro,euros,pound,pounds,cents,yen,kroner,kronor"),
        ("PERCENT", "percent,per cent,basis"),
        ("QUANTITY", "mile,miles,meter,meters,metre,metres,feet,acre,acres,tons,tonne,tonnes,barrels,kilometer,kilometers,kilometre,kilometres"),
    )
    for word in words.split(",")
}  # fmt: skip
_NUMBER_WORDS = frozenset([*_WORDS.replace("s?", "").split("|"), "quarters", "thirds"])
_MAY_STAND_BETWEEN = frozenset(
    "business calendar working trading banking consecutive successive full fiscal additional us canadian australian states square "
    "cubic metric nautical norwegian swedish danish".split()
)  # fmt: skip
_NUMBER_BEFORE = re.compile(
    rf"\b(?:(?:a|an)[ ])?(?:{_WORDS})\b(?:(?:{_B}|,[ ]|[ ]and[ ](?:a[ ]|one-)?|[ ]of[ ]an?[ ])(?:{_WORDS})\b){{0,12}}"
    rf"(?:{_B}(?:{_BETWEEN}|U\.S\.|US|United States|Canadian|Australian|square|cubic|metric|nautical|Norwegian|Swedish|Danish)){{0,2}}$",
    re.IGNORECASE,
)
_MOST_WORDS = 90  # characters of a number in words


class _Finder:
    """Values of one unit's text."""

    def __init__(self, piece: str) -> None:
        self.piece = piece
        self.rows: list[Row] = []

    def all(self) -> list[Row]:
        """Look at every place, then keep the longest of what overlaps: a date in an address is no date."""
        piece = self.piece
        for place in _DIGIT_OR_SIGN.finditer(piece):
            start = place.start()
            first = piece[start]
            if first in _DIGITS:
                self._at_digit(start, place.end())
            else:
                self._at_sign(start, first)
        for place in _END.finditer(piece):
            self._at_end(place.start(), place.group()[1:])
        for place in _START.finditer(piece):
            start = place.start()
            if not start or not (piece[start - 1].isalnum() or piece[start - 1] == "_"):
                self._at_capital(start, place.end())
        for mark in _ADDRESS:
            at = piece.find(mark)
            while at >= 0:
                self._at_address(at, mark)
                at = piece.find(mark, at + 1)
        return _longest(self.rows)

    def _try(self, label: str, pattern: re.Pattern[str], start: int) -> re.Match[str] | None:
        match = pattern.match(self.piece, start)
        if match is not None:
            self._add(start, match.end(), label)
        return match

    def _add(self, start: int, end: int, label: str, score: float | None = None) -> None:
        while self.piece[end - 1] in ",;:" or self.piece[end - 1].isspace():
            end -= 1
        self.rows.append((start, end, label, score or _SCORES[label]))

    def _at_digit(self, start: int, end: int) -> None:
        piece = self.piece
        before = piece[start - 1] if start else " "
        after = piece[end : end + 1]
        if before.isalnum() or before == "_":
            self._code(start)
            return
        if before in ".," and start > 1 and piece[start - 2].isalnum():
            return  # of a longer number, that was looked at
        if after and after in "-./":
            self._try("DATE", _NUMERIC_DATE, start)
            if after == "." and piece.startswith("10.", start):
                self._try("IDENTIFIER", _DOI, start)
        elif after == ":":
            self._try("TIME", _CLOCK, start)
            self._case(start)
        elif after.isalpha() and after.isupper():
            self._code(end)
        if before == "(":
            self._try("PHONE", _PHONE, start - 1)
        self._measure(start, end)

    def _measure(self, start: int, end: int) -> None:
        """A number with what follows it: a unit, a currency, a month."""
        piece = self.piece
        number = _NUM.match(piece, start)
        end = number.end() if number else end
        if piece[end : end + 1] in ("-", "–") or piece.startswith(" to ", end):
            second = _SECOND.match(piece, end)
            end = second.end() if second else end
        word = _WORD_AFTER.match(piece, end)
        if word is None:
            return
        for label, pattern in _FOLLOWING.get(word[1].lower(), ()):
            match = pattern.match(piece, start)
            if match is None:
                continue
            begin: int | None = start
            if piece[start - 1 : start] == "(" and ")" in match.group():
                begin = self._number_before(start - 1)
            of_clock = pattern is _DURATION and match["t"]
            self._add(
                start - 1 if begin is None else begin,
                match.end(),
                "TIME" if of_clock else label,
            )

    def _number_before(self, end: int) -> int | None:
        """Where the number in words begins that stands right before `end`."""
        piece = self.piece
        while end and piece[end - 1] in " \u00a0\n-":
            end -= 1
        at = end
        while at and at > end - 14 and piece[at - 1].isalpha():
            at -= 1
        word = piece[at:end].lower()
        if word not in _NUMBER_WORDS and word not in _MAY_STAND_BETWEEN and piece[at:end] != "":
            return None
        if at == end and piece[end - 2 : end] != "S.":
            return None
        low = max(0, end - _MOST_WORDS)
        match = _NUMBER_BEFORE.search(piece[low:end])
        return low + match.start() if match else None

    def _at_end(self, start: int, word: str) -> None:
        """A unit: does a number in words stand before it? Or a value that begins in lower case."""
        label = _END_LABELS.get(word)
        end = start + 1 + len(word)
        if label is None:
            if word in {"noon", "midnight"}:
                self._add(start + 1, end, "TIME")
            elif word[0] in "sac":
                self._try("IDENTIFIER", _SECTION, start + 1)
            elif word == "fiscal":
                self._try("DATE", _PART_OF_YEAR, start + 1)
            else:
                at = self._word_before(start)
                self._try("DATE", _PART_OF_YEAR, at)
            return
        if word == "basis" and not self.piece.startswith(" points", end):
            return
        begin = self._number_before(start)
        if begin is not None:
            end += len(" points") if word == "basis" else 0
            if (
                self.piece[start] == "-"
                and word in {"day", "days"}
                and self.piece[begin:start] == "half"
            ):
                return
            self._add(begin, end, label, 0.9)

    def _word_before(self, end: int) -> int:
        at = end
        while at and at > end - 14 and self.piece[at - 1].isalpha():
            at -= 1
        return at

    def _at_sign(self, start: int, sign: str) -> None:
        piece = self.piece
        if sign == "@":
            at = start
            while at and at > start - 66 and (piece[at - 1].isalnum() or piece[at - 1] in "_.+-"):
                at -= 1
            while at < start and not (piece[at].isascii() and piece[at].isalnum()):
                at += 1
            match = _EMAIL.match(piece, at)
            if match and match.end() > start and start - at <= 64:
                self._add(at, match.end(), "EMAIL")
        elif sign == "+":
            self._try("PHONE", _PHONE, start)
        elif sign == "§":
            if not start or piece[start - 1] != "§":
                self._try("IDENTIFIER", _SECTION_SIGN, start)
        else:
            at = start
            if sign == "$":
                prefix = next((p for p in _PREFIXES if piece.endswith(p, 0, start)), "")
                at -= len(prefix)
            if (
                not at
                or not (piece[at - 1].isalnum() or piece[at - 1] in "_.")
                or piece.endswith("U.S.", 0, at)
            ):
                self._try("MONEY", _SIGN_MONEY, at)

    def _at_address(self, at: int, mark: str) -> None:
        if mark == "www.":
            self._try("URL", _URL, at)
            return
        for size in (5, 4):
            if self.piece[max(at - size, 0) : at].lower() == "https"[:size]:
                self._try("URL", _URL, at - size)
                break

    def _at_capital(self, start: int, end: int) -> None:
        piece = self.piece
        head = piece[start : start + 3]
        for label, pattern in _CAPITAL.get(head, ()) or _CAPITAL.get(head[:2], ()) or _CAPITAL.get(head[:1], ()):  # fmt: skip
            if pattern is _ACT:
                self._act(start, end)
            else:
                self._try(label, pattern, start)

    def _act(self, start: int, end: int) -> None:
        """An act by its last word: the name before it begins at most 200 characters back."""
        if not _YEAR_OF_ACT.match(self.piece, end):
            return
        low, high = max(0, start - 200), min(end + 12, len(self.piece))
        found = _ACT.search(self.piece, low, high)
        while found and found.end() <= start:
            found = _ACT.search(self.piece, found.end(), high)
        if found:
            self._add(found.start(), found.end(), "LAW", 0.92)

    def _code(self, digit: int) -> None:
        """IBAN, ISIN, LEI: a token of capitals and digits whose check digits are right."""
        piece = self.piece
        at = digit
        while at and at > digit - 20 and piece[at - 1].isalnum():
            at -= 1
        if piece[at:digit].isalpha() and len(piece[at:digit]) == 2:
            end = self._iban(at)
            if end:
                self._add(at, end, "IDENTIFIER", 0.99)
                return
        match = _CODE.match(piece, at)
        if match and (check_digits.is_isin(match.group()) or check_digits.is_lei(match.group())):
            self._add(at, match.end(), "IDENTIFIER", 0.99)

    def _iban(self, start: int) -> int:
        """Where an IBAN that begins at `start` ends, 0 if there is none. It may be in groups of four."""
        size = check_digits.IBAN_LENGTH.get(self.piece[start : start + 2], 0)
        if not size:
            return 0
        code, at = "", start
        while len(code) < size and at < len(self.piece):
            character = self.piece[at]
            if character.isascii() and character.isalnum():
                code += character
            elif character not in " \u00a0" or len(code) % 4:
                return 0
            at += 1
        return at if check_digits.is_iban(code) and not self.piece[at : at + 1].isalnum() else 0

    def _case(self, start: int) -> None:
        match = _CASE.match(self.piece, start)
        if match:
            low = max(0, start - 30)
            lead = _CASE_LEAD.search(self.piece[low:start])
            self._add(low + lead.start() if lead else start, match.end(), "IDENTIFIER")


def _capital() -> dict[str, _Tries]:
    """First letters of a start -> what can stand there."""
    found: dict[str, _Tries] = {}
    for starts, tries in (
        (_CODES.replace("|", " "), (("MONEY", _SIGN_MONEY),)),
        ("Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC", (("DATE", _MONTH_FIRST),)),
        ("Q FY H Fir Sec Thi Fou Fis", (("DATE", _PART_OF_YEAR),)),
        ("Sec SEC Art ART Cla Par", (("IDENTIFIER", _SECTION),)),
        ("Act Cod Ord Con Tre", (("LAW", _ACT),)),
        ("Cou Com Del Imp Reg Dir Dec", (("LAW", _REGULATION),)),
        ("ISB ISS IBA ISI LEI CUS BIC SWI VAT EIN DOI ECL CEL", (("IDENTIFIER", _LED),)),
        ("Pat U.S US Eur EP WO PCT App Ser", (("IDENTIFIER", _PATENT),)),
    ):  # fmt: skip
        for start in starts.split():
            found[start] = found.get(start, ()) + tries
    found["EP"] = found["US"] = found["WO"] = (("IDENTIFIER", _PATENT),)
    return found


_CAPITAL = _capital()
_YEAR_OF_ACT = re.compile(r",? (?:of )?(?:1[5-9]|20)\d\d\b")


def _longest(rows: list[Row]) -> list[Row]:
    """The longest of what overlaps, of equally long ones the first; cost: n log n and the shifts of a list."""
    if len(rows) < 2:
        return rows
    kept: list[Row] = []
    for row in sorted(rows, key=lambda r: (r[0] - r[1], r[0], r[2])):
        at = bisect_left(kept, row)
        if (at == 0 or kept[at - 1][1] <= row[0]) and (at == len(kept) or row[1] <= kept[at][0]):
            kept.insert(at, row)
    return kept


def find(text: str, units: Iterable[Unit]) -> list[Row]:
    """Every value in the units, as (start, end, label, score); spans of one label do not overlap.

    Scores are rough: how often a match of that pattern was right on contracts and news.
    Cost: linear in the text.
    """
    rows: list[Row] = []
    for unit in units:
        if unit.kind in FURNITURE or unit.kind == Kind.CODE:
            continue
        if unit.end - unit.start > MAX_RUN and not unit.prose:
            continue
        piece = text[unit.start : unit.end]
        values = _Finder(piece).all()
        companies = _companies(piece, values) if unit.prose else ()
        rows += [
            (unit.start + a, unit.start + b, label, score)
            for a, b, label, score in (*values, *companies)
        ]
    return rows


def _companies(piece: str, values: Sequence[Row]) -> Iterator[Row]:
    """Companies, less a value that stands before the name: "On 3 March 2021 Halden Maritime AS"."""
    for start, end, score in find_companies(piece):
        begin = max([start, *(b for a, b, *_ in values if a < end and start < b < end)])
        while not piece[begin].isalnum():
            begin += 1
        yield begin, end, "ORG", score
