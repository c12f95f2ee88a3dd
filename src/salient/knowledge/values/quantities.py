"""Measures, shares and counts: percent, quantities in SI units, ordinals, cardinals.

Unit codes are UCUM's where it has one ([lb_av], [mi_i], Cel); codes in braces count things.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from salient.knowledge.values import numbers
from salient.knowledge.values.numbers import Number, number, plain
from salient.knowledge.values.value import NEUTRAL, Conventions, Kind, Value, unhedged


@dataclass(frozen=True, slots=True)
class Unit:
    """`amount * factor + offset` of this unit is that many of `si`."""

    code: str
    si: str
    factor: Fraction
    offset: Fraction = Fraction(0)
    others: tuple[tuple[str, Fraction], ...] = ()
    note: str = ""


_PREFIXES: Final = {"": ("", 0), "k": ("kilo", 3), "M": ("mega", 6), "G": ("giga", 9), "T": ("tera", 12), "m": ("milli", -3),
             "µ": ("micro", -6), "n": ("nano", -9), "c": ("centi", -2), "h": ("hecto", 2), "d": ("deci", -1)}  # fmt: skip
# code, names, SI code, factor, prefixes that are in use
_METRIC: Final = (
    ("m", "metre meter", "m", Fraction(1), "k m µ n c d"), ("g", "gram gramme", "kg", Fraction(1, 1000), "k m µ n"),
    ("L", "litre liter", "m3", Fraction(1, 1000), "m c d h"), ("W", "watt", "W", Fraction(1), "k M G T m"),
    ("W.h", "watt-hour watthour", "J", Fraction(3600), "k M G T"), ("V", "volt", "V", Fraction(1), "k m"), ("A", "ampere amp", "A", Fraction(1), "k m"),
    ("J", "joule", "J", Fraction(1), "k M G T"), ("Hz", "hertz", "Hz", Fraction(1), "k M G T"), ("Pa", "pascal", "Pa", Fraction(1), "k M h"),
    ("N", "newton", "N", Fraction(1), "k M"), ("By", "byte", "By", Fraction(1), "k M G T"), ("bit", "bit", "bit", Fraction(1), "k M G"),
    ("t", "tonne", "kg", Fraction(1000), "k M G"), ("cal", "calorie", "J", Fraction("4.184"), "k"), ("Ω", "ohm", "Ohm", Fraction(1), "k M"),
    ("VA", "volt-ampere", "V.A", Fraction(1), "k M"), ("mol", "mole", "mol", Fraction(1), "m"), ("bar", "bar", "Pa", Fraction(100_000), "m"),
)  # fmt: skip
_FOOT, _POUND = Fraction("0.3048"), Fraction("0.45359237")
_OTHER: Final[tuple[tuple[str, Unit], ...]] = (
    ("foot|feet|ft|'", Unit("[ft_i]", "m", _FOOT)), ("inch|inches|in|\"", Unit("[in_i]", "m", _FOOT / 12)),
    ("yard|yards|yd|yds", Unit("[yd_i]", "m", _FOOT * 3)), ("mile|miles|mi", Unit("[mi_i]", "m", Fraction("1609.344"))),
    ("nautical mile|nautical miles|nm|nmi", Unit("[nmi_i]", "m", Fraction(1852))), ("micron|microns", Unit("um", "m", Fraction(1, 10**6))),
    ("hectare|hectares|ha", Unit("har", "m2", Fraction(10_000))), ("acre|acres|ac", Unit("[acr_us]", "m2", Fraction("4046.8564224"))),
    ("square foot|square feet|sq ft|sq. ft|sq.ft|sf|sqft|ft2|ft²", Unit("[sft_i]", "m2", _FOOT**2)),
    ("square inch|square inches|sq in", Unit("[sin_i]", "m2", (_FOOT / 12) ** 2)), ("square yard|square yards|sq yd", Unit("[syd_i]", "m2", (_FOOT * 3) ** 2)),
    ("square mile|square miles|sq mi|sq. mi|sq miles", Unit("[smi_us]", "m2", Fraction("1609.344") ** 2)),
    ("square metre|square metres|square meter|square meters|sq m|sq. m|sqm|m2|m²", Unit("m2", "m2", Fraction(1))),
    ("square kilometre|square kilometres|square kilometer|square kilometers|sq km|km2|km²", Unit("km2", "m2", Fraction(10**6))),
    ("square centimetre|square centimetres|square centimeter|square centimeters|cm2|cm²", Unit("cm2", "m2", Fraction(1, 10**4))),
    ("cubic metre|cubic metres|cubic meter|cubic meters|m3|m³|cbm", Unit("m3", "m3", Fraction(1))), ("cubic centimetre|cubic centimetres|cubic centimeter|cubic centimeters|cm3|cm³|cc", Unit("cm3", "m3", Fraction(1, 10**6))),
    ("cubic foot|cubic feet|cu ft|cf|ft3|ft³", Unit("[cft_i]", "m3", _FOOT**3)), ("cubic yard|cubic yards|cu yd", Unit("[cyd_i]", "m3", (_FOOT * 3) ** 3)),
    ("barrel|barrels|bbl|bbls|bo", Unit("[bbl_us]", "m3", Fraction("0.158987294928"), note="barrels of oil, 42 US gallons")),
    ("gallon|gallons|gal|gals", Unit("[gal_us]", "m3", Fraction("0.003785411784"), others=(("[gal_br]", Fraction("0.00454609")),), note="US or imperial")),
    ("quart|quarts|qt", Unit("[qt_us]", "m3", Fraction("0.000946352946"))), ("pint|pints", Unit("[pt_us]", "m3", Fraction("0.000473176473"), others=(("[pt_br]", Fraction("0.00056826125")),), note="US or imperial")),
    ("fluid ounce|fluid ounces|fl oz", Unit("[foz_us]", "m3", Fraction("0.0000295735295625"))), ("cup|cups", Unit("[cup_us]", "m3", Fraction("0.0002365882365"))),
    ("tablespoon|tablespoons|tbsp", Unit("[tbs_us]", "m3", Fraction("0.00001478676478125"))), ("teaspoon|teaspoons|tsp", Unit("[tsp_us]", "m3", Fraction("0.00000492892159375"))),
    ("pound|pounds|lb|lbs|lb.|lbs.", Unit("[lb_av]", "kg", _POUND)), ("ounce|ounces|oz|oz.", Unit("[oz_av]", "kg", _POUND / 16)),
    ("troy ounce|troy ounces", Unit("[oz_tr]", "kg", Fraction("0.0311034768"))), ("stone", Unit("[stone_av]", "kg", _POUND * 14)), ("carat|carats|ct", Unit("[car_m]", "kg", Fraction(1, 5000))),
    ("ton|tons", Unit("[ston_av]", "kg", _POUND * 2000, others=(("t", Fraction(1000)), ("[lton_av]", _POUND * 2240)), note="short, metric or long tons")),
    ("short ton|short tons", Unit("[ston_av]", "kg", _POUND * 2000)), ("long ton|long tons", Unit("[lton_av]", "kg", _POUND * 2240)),
    ("metric ton|metric tons|metric tonne|metric tonnes|mt", Unit("t", "kg", Fraction(1000))),
    ("degree celsius|degrees celsius|degrees centigrade|deg c|°c|° c|degrees c|ºc", Unit("Cel", "K", Fraction(1), Fraction("273.15"))),
    ("degree fahrenheit|degrees fahrenheit|deg f|°f|° f|degrees f|ºf", Unit("[degF]", "K", Fraction(5, 9), Fraction("459.67") * Fraction(5, 9))),
    ("kelvin|kelvins|k", Unit("K", "K", Fraction(1))), ("degree|degrees|°", Unit("deg", "deg", Fraction(1))),
    ("kilometres per hour|kilometers per hour|km/h|kph|kmh|km per hour", Unit("km/h", "m/s", Fraction(1000, 3600))),
    ("miles per hour|mph|miles an hour|mile per hour|mi/h", Unit("[mi_i]/h", "m/s", Fraction("1609.344") / 3600)), ("knot|knots|kt|kts", Unit("[kn_i]", "m/s", Fraction(1852, 3600))),
    ("metres per second|meters per second|m/s", Unit("m/s", "m/s", Fraction(1))), ("horsepower|hp|bhp", Unit("[HP]", "W", Fraction("745.69987158227022"))),
    ("british thermal unit|british thermal units|btu|btus", Unit("[Btu]", "J", Fraction("1055.05585262"))), ("mmbtu|mmbtus", Unit("M[Btu]", "J", Fraction("1055.05585262") * 10**6)),
    ("therm|therms", Unit("[thm]", "J", Fraction("105505585.262"))), ("psi|pounds per square inch", Unit("[psi]", "Pa", Fraction("6894.757293168361"))), ("atmosphere|atmospheres|atm", Unit("atm", "Pa", Fraction(101_325))),
    ("decibel|decibels|db", Unit("dB", "dB", Fraction(1))), ("rpm|revolutions per minute", Unit("{rev}/min", "{rev}/s", Fraction(1, 60))),
    ("light-year|light-years|light year|light years", Unit("[ly]", "m", Fraction(9_460_730_472_580_800))), ("boe|barrels of oil equivalent", Unit("{boe}", "J", Fraction("6117863200"))),
    ("pixel|pixels|px", Unit("{pixel}", "{pixel}", Fraction(1))), ("ppm|parts per million", Unit("[ppm]", "[ppm]", Fraction(1))), ("teu|teus", Unit("{TEU}", "{TEU}", Fraction(1))),
    ("kb|kbytes", Unit("kBy", "By", Fraction(1000))), ("mb|mbytes", Unit("MBy", "By", Fraction(10**6))), ("gb", Unit("GBy", "By", Fraction(10**9))), ("tb", Unit("TBy", "By", Fraction(10**12))),
    ("mbps|mbit/s|mb/s", Unit("Mbit/s", "bit/s", Fraction(10**6))), ("gbps|gbit/s|gb/s", Unit("Gbit/s", "bit/s", Fraction(10**9))), ("mg/kg", Unit("mg/kg", "mg/kg", Fraction(1))),
    ("g/cm3|g/cm³", Unit("g/cm3", "kg/m3", Fraction(1000))), ("kg/m3|kg/m³", Unit("kg/m3", "kg/m3", Fraction(1))), ("mg/l", Unit("mg/L", "kg/m3", Fraction(1, 1000))),
)  # fmt: skip


def _table() -> tuple[dict[str, Unit], dict[str, Unit]]:
    """Units by symbol, where case counts (mW, MW), and by name in lower case."""
    symbols: dict[str, Unit] = {}
    names: dict[str, Unit] = {}
    for code, words, si, factor, prefixes in _METRIC:
        for prefix in ["", *prefixes.split()]:
            word, power = _PREFIXES[prefix]
            unit = Unit(prefix.replace("µ", "u") + code, si, factor * Fraction(10) ** power)
            symbol = {"W.h": "Wh", "By": "B"}.get(code, code)
            symbols[prefix + symbol] = unit
            if prefix == "µ":
                symbols["u" + symbol] = symbols["μ" + symbol] = unit
            for name in words.split():
                names[word + name] = names[f"{word}{name}s"] = unit
    symbols |= {"l": symbols["L"], "ml": symbols["mL"], "kWp": symbols["kW"], "MWp": symbols["MW"], "MWe": symbols["MW"]}  # fmt: skip
    for aliases, unit in _OTHER:
        for alias in aliases.split("|"):
            names[alias] = unit
    return symbols, names


_SYMBOLS, _NAMES = _table()
_SYMBOLS["C"] = _NAMES["°c"]
_SYMBOLS["F"] = _NAMES["°f"]
_LOWER: Final = {s.lower(): u for s, u in sorted(_SYMBOLS.items()) if len(s) > 1 and s.lower() not in {"mw", "mj", "mpa", "ma", "mwh", "mhz", "mn"}}  # fmt: skip

_EVERY: Final = {"second": ("s", 1), "minute": ("min", 60), "hour": ("h", 3600), "day": ("d", 86_400), "week": ("wk", 604_800),
          "month": ("mo", 2_629_800), "year": ("a", 31_557_600), "annum": ("a", 31_557_600)}  # fmt: skip
_RATE = re.compile(r"(?P<u>.{1,40}?)\s*(?:/|\bper\b|\ba\b|\ban\b)\s*(?P<t>second|minute|hour|day|week|month|year|annum|d|h|s)$", re.I)  # fmt: skip
_FEET = re.compile(r"(?P<f>\d{1,3})\s*(?:'|ft\.?|feet|foot)[\s-]*(?:and\s+)?(?P<i>\d{1,2}(?:\.\d+)?)\s*(?:\"|''|in\.?|inch|inches)(?:\s+tall|\s+high)?")  # fmt: skip


def unit_of(written: str) -> Unit | None:
    """The unit that is written so; the case counts for symbols: mW is not MW."""
    written = " ".join(written.strip(" .-").split())
    found = _SYMBOLS.get(written) or _NAMES.get(written.lower()) or _LOWER.get(written.lower())
    if found is not None or not (match := _RATE.fullmatch(written)):
        return found
    base = unit_of(match["u"])
    names = {"d": "day", "h": "hour", "s": "second"}
    code, seconds = _EVERY[names.get(match["t"].lower(), match["t"].lower())]
    if base is None or base.offset or "/" in base.si:
        return None
    return Unit(f"{base.code}/{code}", f"{base.si}/s", base.factor / seconds, note=base.note)


def quantity(text: str, language: str = "en", conventions: Conventions = NEUTRAL) -> Value | None:
    """`text` is a cleaned surface whose case still counts. `normal` is in SI units: "5 km" is 5000 m.

    Ambiguous are tons and gallons, and digits as `numbers` has it.
    """
    modifier, body = unhedged(text)
    body = re.sub(r"(?i)\s+(?:of|in)\s+[a-z -]{2,30}$|\s+(?:high|long|wide|deep|tall|away|thick|distance)$", "", body)  # fmt: skip
    if match := _FEET.fullmatch(body):
        metres = int(match["f"]) * _FOOT + Fraction(match["i"]) * _FOOT / 12
        return Value("quantity", f"{_short(metres)} m", amount=plain(metres / _FOOT), unit="[ft_i]", modifier=modifier)  # fmt: skip
    return _measured(body, modifier, language, conventions) or _between(body, modifier, language, conventions)  # fmt: skip


def _parted(text: str, language: str, conventions: Conventions) -> tuple[Number, Unit] | None:
    """Number and unit. Of "5 million tonnes" the unit is the shortest end that is one."""
    for match in re.finditer(r"(?<=[\d\s)½¼¾-])(?=[^\W\d_]|[°º'\"])", text):
        unit = unit_of(text[match.start() :])
        if unit is None:
            continue
        written = text[: match.start()].strip(" -")
        amount = number(written.lower(), language, conventions)
        if amount is None and written.lower() in {"a", "an", "one"}:
            amount = Number(Fraction(1))
        if amount is None and written.lower() in {"half a", "half an", "a half"}:
            amount = Number(Fraction(1, 2))
        if amount is not None:
            return amount, unit
    return None


def _measured(text: str, modifier: str | None, language: str, conventions: Conventions) -> Value | None:  # fmt: skip
    found = _parted(text, language, conventions)
    if found is None:
        return None
    amount, unit = found

    def si(n: Fraction, factor: Fraction) -> str:
        return f"{_short(n * factor + unit.offset)} {unit.si}"

    others = [si(n, unit.factor) for n in amount.others]
    others += [si(amount.value, factor) for _, factor in unit.others]
    return Value(
        "quantity", si(amount.value, unit.factor), amount=plain(amount.value), unit=unit.code, modifier=modifier,
        ambiguous=tuple(others), note=amount.note or unit.note,
    )  # fmt: skip


_LINK = re.compile(r"\s*(?:-|\bto\b|\band\b|\bor\b|±)\s*", re.I)


def _between(text: str, modifier: str | None, language: str, conventions: Conventions) -> Value | None:  # fmt: skip
    body = re.sub(r"^(?:between|from)\s+", "", text, flags=re.I)
    for link in _LINK.finditer(body):
        high = _measured(body[link.end() :].strip(), None, language, conventions)
        low_text = body[: link.start()].strip()
        if high is None or high.ambiguous or not low_text:
            continue
        unit = body[link.end() :].strip()
        found = _measured(low_text, None, language, conventions)
        if found is None and (parted := _parted(unit, language, conventions)):
            bare = number(low_text.lower(), language, conventions)
            if bare is None or bare.others:
                continue
            si = bare.value * parted[1].factor + parted[1].offset
            found = Value("quantity", f"{_short(si)} {parted[1].si}", amount=plain(bare.value))
        if found is None or found.ambiguous or not high.normal.endswith(found.normal.split(" ")[1]):
            continue
        low_si, high_si = found.normal.split(" ")[0], high.normal
        return Value("quantity", f"{low_si}/{high_si}", amount=found.amount, high=high.amount, unit=high.unit, modifier=modifier)  # fmt: skip
    return None


def _short(value: Fraction) -> str:
    """Exact where the decimal ends within 15 significant digits, else rounded to 12."""
    exact = plain(value)
    if "/" not in exact and len(exact.lstrip("-0.").replace(".", "")) <= 15:
        return exact
    if not value:
        return "0"
    size = len(str(abs(value.numerator) // value.denominator)) if abs(value) >= 1 else 0
    if not size:
        size = -(len(str(value.denominator // abs(value.numerator))) - 1)
    step = Fraction(10) ** (size - 12)
    return plain(round(value / step) * step)


# --- percent ----------------------------------------------------------------------------------------

_PERCENT = re.compile(
    r"(?P<n>.{1,80}?)[\s-]*(?P<u>%|‰|per\s?cents?|pct\.?|percentage[\s-]+points?|percent(?:age)?|basis[\s-]+points?|bps?|permille|per mille|prozent|prosent|procent|pp|ppts?)(?:\s*\(\s*(?P<t>[\d.,]{1,12})\s*%?\s*\))?(?:\s+(?:per\s+annum|per\s+year|a\s+year|p\.?a\.?|annually))?"
)
_TWIN = re.compile(r"(?P<a>.{2,60}?)\s*\(\s*(?P<b>[\d.,]{1,12}\s*(?:%|percent|per cent))\s*\)")
_BASIS: Final = re.compile(r"b(?:asis[\s-]+points?|ps?)$")


def percent(text: str, language: str = "en", conventions: Conventions = NEUTRAL) -> Value | None:
    """`5 %`; basis points are hundredths of a percent, percentage points are `pp`."""
    modifier, body = unhedged(text.lower())
    body = re.sub(r"^(?:between|from)\s+", "", body)
    if (twin := _TWIN.fullmatch(body)) and (second := percent(twin["b"], language, conventions)):
        inner = percent(f"{twin['a']} percent", language, conventions) if "cent" not in twin["a"] else percent(twin["a"], language, conventions)  # fmt: skip
        if inner and inner.normal != second.normal:
            return Value("percent", inner.normal, inner.amount, unit="%", modifier=modifier, ambiguous=(second.normal,), note="words and digits do not agree")  # fmt: skip
        return second
    match = _PERCENT.fullmatch(body)
    if match is None:
        return None
    unit, factor = "%", Fraction(1)
    if ("point" in match["u"] and "age" in match["u"]) or match["u"] in {"pp", "ppt", "ppts"}:
        unit = "pp"
    elif _BASIS.match(match["u"]):
        factor = Fraction(1, 100)
    elif match["u"] in {"‰", "permille", "per mille"}:
        factor = Fraction(1, 10)
    written = re.sub(r"^(.{1,20}?)\s+of\s+(?:1|one)$", r"\1", match["n"].strip())  # "1/2 of 1%"
    amount = number(written, language, conventions)
    if amount is not None:
        amount = amount.times(factor)
        values = [plain(n) for n in (amount.value, *amount.others)]
        return Value("percent", f"{values[0]} {unit}", values[0], unit=unit, modifier=modifier, ambiguous=tuple(f"{v} {unit}" for v in values[1:]), note=amount.note)  # fmt: skip
    for link in _LINK.finditer(match["n"]):
        low_text = re.sub(r"[\s-]*(?:%|per\s?cent|basis points)$", "", match["n"][: link.start()])
        low, high = (number(t.strip(), language, conventions) for t in (low_text, match["n"][link.end() :]))  # fmt: skip
        if low and high and low.value <= high.value:
            a, b = plain(low.value * factor), plain(high.value * factor)
            return Value("percent", f"{a}/{b} {unit}", a, b, unit, modifier)
    return None


# --- counts -----------------------------------------------------------------------------------------


def ordinal(text: str) -> Value | None:
    """The place in an order: 21 for "twenty-first"."""
    found = numbers.ordinal(text.lower().removeprefix("the "))
    return Value("ordinal", str(found), amount=str(found)) if found is not None else None


def cardinal(text: str, language: str = "en", conventions: Conventions = NEUTRAL) -> Value | None:
    """A count; a range is `low/high`."""
    modifier, body = unhedged(text.lower())
    kind: Kind = "cardinal"
    found = number(body, language, conventions)
    if found is not None:
        values = [plain(n) for n in (found.value, *found.others)]
        return Value(kind, values[0], values[0], modifier=modifier, ambiguous=tuple(values[1:]), note=found.note)  # fmt: skip
    body = re.sub(r"^(?:between|from)\s+", "", body)
    for link in _LINK.finditer(body):
        low, high = (number(t, language, conventions) for t in (body[: link.start()], body[link.end() :]))  # fmt: skip
        if low and high and low.value <= high.value:
            return Value(kind, f"{plain(low.value)}/{plain(high.value)}", plain(low.value), plain(high.value), modifier=modifier)  # fmt: skip
    return None
