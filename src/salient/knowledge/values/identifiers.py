"""Identifiers whose form gives them away. One whose check digits are wrong is none.

`unit` is the scheme, `normal` the identifier without blanks and in the case its standard has.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from salient.knowledge.values.value import Value
from salient.nlp import check_digits

# Shapes from the European Commission's VIES.
_VAT: Final = (
    r"ATU\d{8}|BE[01]\d{9}|BG\d{9,10}|CY\d{8}[A-Z]|CZ\d{8,10}|DE\d{9}|DK\d{8}|EE\d{9}|EL\d{9}|ES[A-Z\d]\d{7}[A-Z\d]|FI\d{8}|"
    r"FR[A-Z\d]{2}\d{9}|HR\d{11}|HU\d{8}|IE\d[A-Z\d+*]\d{5}[A-Z]{1,2}|IT\d{11}|LT(?:\d{9}|\d{12})|LU\d{8}|LV\d{11}|MT\d{8}|"
    r"NL\d{9}B\d{2}|PL\d{10}|PT\d{9}|RO\d{2,10}|SE\d{12}|SI\d{8}|SK\d{10}|XI\d{9}|GB\d{9}(?:\d{3})?"
)  # fmt: skip
_COUNTRIES: Final = frozenset("US EP WO GB DE FR JP CN KR CA AU ES IT NL SE NO DK FI CH AT BE BR IN IL MX NZ RU SG TW ZA".split())  # fmt: skip

_LEAD = {
    "isbn": r"ISBN(?:-1[03])?", "issn": r"(?:e-?)?ISSN", "cusip": r"CUSIP(?:\s+(?:No|Number)\.?)?", "lei": r"LEI(?:\s+code)?", "iban": r"IBAN",
    "isin": r"ISIN", "bic": r"(?:BIC|SWIFT)(?:/(?:BIC|SWIFT))?(?:\s+code)?", "vat": r"(?:VAT|USt-?Id(?:Nr)?|TVA|P\.?\s?IVA)(?:\s+(?:reg(?:istration)?\.?\s+)?(?:No|Number|ID|Nr)\.?)?",
    "ein": r"(?:EIN|FEIN|(?:I\.?R\.?S\.?\s+)?Employer\s+Identification\s+(?:No|Number)\.?|Tax\s+ID(?:\s+(?:No|Number)\.?)?)", "doi": r"DOI",
}  # fmt: skip
_BETWEEN = r"\s*[:#]?\s*"


def _led(scheme: str, body: str, *, needed: bool = False) -> re.Pattern[str]:
    mark = "" if needed else "?"
    return re.compile(rf"(?P<lead>(?:{_LEAD[scheme]}){_BETWEEN}){mark}(?P<v>{body})", re.IGNORECASE)


_IBAN = _led("iban", r"[A-Z]{2}\d{2}(?:[ -]?[A-Z0-9]){11,30}")
_ISIN = _led("isin", r"[A-Z]{2}[A-Z0-9]{9}\d")
_LEI = _led("lei", r"[A-Z0-9]{18}\d{2}")
_DOI = _led("doi", r"(?:https?://(?:dx\.)?doi\.org/)?10\.\d{4,9}(?:\.\d+)*/[^\s\"<>]{1,120}")
_ISBN = _led("isbn", r"(?:97[89][ -]?)?(?:\d[ -]?){9}[\dX]")
_ISSN = _led("issn", r"\d{4}-\d{3}[\dX]")
_CUSIP = _led("cusip", r"[0-9A-Z*@#]{6}[ -]?[0-9A-Z*@#]{2}[ -]?\d", needed=True)
_BIC = _led("bic", r"[A-Z]{6}[A-Z0-9]{2}(?:[A-Z0-9]{3})?", needed=True)
_VAT_ID = _led("vat", r"[A-Z]{2}[ -]?[A-Z0-9+*](?:[ .-]?[A-Z0-9]){1,13}")
_EIN = _led("ein", r"\d{2}-\d{7}", needed=True)
_PATENT = re.compile(
    r"(?P<c>US|U\.S\.|EP|WO|GB|DE|FR|JP|CN|KR|CA|AU)?\s*(?P<w>(?:Pat(?:ent)?s?\.?|Patent\s+Publication|Pub(?:lication)?\.?)?\s*(?:No|Nos|Number)?\.?)\s*"
    r"(?P<n>(?:RE|D|PP)?\d{1,2}(?:[, ]\d{3}){2}|\d{7,11}|\d{4}/\d{6,7}|(?:19|20)?\d\d/\d{5,6})(?:\s?(?P<k>[ABCEPSTUY]\d?))?"
)  # fmt: skip
_APPLICATION = re.compile(
    r"(?P<c>US|U\.S\.|PCT)?\s*(?:Patent\s+|Provisional\s+|Pat\.?\s+)*(?P<w>App(?:lication|l|ln)?\.?(?:\s+Serial)?|Serial|Ser\.?)\s*(?:No|Nos|Number)?\.?\s*(?P<n>\d{2}/\d{3}[,.]?\d{3}|PCT/[A-Z]{2}\d{2,4}/\d{5,6})"
    r"|(?P<p>PCT/[A-Z]{2}\d{2,4}/\d{5,6})",
    re.IGNORECASE,
)  # fmt: skip
_CASE = re.compile(
    r"(?:(?:Civil\s+(?:Action\s+)?|Crim(?:inal|\.)?\s+|Index\s+|Docket\s+|Appeal\s+)*(?:Case\s+|Action\s+|Cause\s+)?(?:Nos?\.?|Number)\s*)?"
    r"(?P<v>\d{1,2}:\d{2}-(?:cv|cr|mc|md|ml|mj|bk|ap|cb|po)-\d{3,6}(?:-[A-Z]{1,5}){0,4}|(?:Case\s+)?[CTF]-\d{1,4}/\d\d(?:\s?P)?)",
    re.IGNORECASE,
)  # fmt: skip
_ECLI = re.compile(r"ECLI:[A-Z]{2}:[A-Z0-9.]{1,7}:\d{4}:[A-Z0-9.]{1,25}", re.IGNORECASE)
_CELEX = re.compile(r"(?:CELEX\s*(?:No\.?|number)?\s*:?\s*)?(?P<v>[1-9CE]\d{4}[A-Z]{1,2}\d{4}(?:\(\d{2}\))?)", re.I)  # fmt: skip
_SECTION = re.compile(
    r"(?P<k>Sections?|Secs?\.|Articles?|Arts?\.|Clauses?|Cl\.|Paragraphs?|Paras?\.|Exhibit|Schedule|Annex|Appendix|Rule|Item|§{1,2})\s*"
    r"(?P<n>(?:\d{1,4}[A-Z]?|[IVXLC]{1,7}|[A-Z])(?:[.-]\d{1,4}){0,5}(?:\s?\([A-Za-z0-9]{1,4}\)){0,5})",
    re.IGNORECASE,
)  # fmt: skip
_SECTION_NAMES: Final = {"sec": "section", "§": "section", "§§": "section", "art": "article", "cl": "clause", "para": "paragraph"}  # fmt: skip


def _compact(text: str) -> str:
    return re.sub(r"[\s.-]", "", text).upper()


def _checked(
    scheme: str, pattern: re.Pattern[str], text: str, test: Callable[[str], bool]
) -> Value | None:
    match = pattern.fullmatch(text)
    code = _compact(match["v"]) if match else ""
    return _identified(scheme, code) if code and test(code) else None


def _identified(scheme: str, code: str, note: str = "") -> Value:
    return Value("identifier", code, unit=scheme, note=note)


def identifier(text: str) -> Value | None:
    """The identifier that `text` is; its case counts."""
    for reading in _READINGS:
        found = reading(text)
        if found is not None:
            return found
    return None


def _iban(text: str) -> Value | None:
    return _checked("iban", _IBAN, text, check_digits.is_iban)


def _isin(text: str) -> Value | None:
    return _checked("isin", _ISIN, text, check_digits.is_isin)


def _lei(text: str) -> Value | None:
    return _checked("lei", _LEI, text, check_digits.is_lei)


def _doi(text: str) -> Value | None:
    match = _DOI.fullmatch(text)
    if match is None:
        return None
    name = re.sub(r"(?i)^https?://(?:dx\.)?doi\.org/", "", match["v"]).rstrip(".,;")
    return _identified("doi", name.lower())  # DOIs do not tell cases apart (ISO 26324)


def _isbn(text: str) -> Value | None:
    match = _ISBN.fullmatch(text)
    if match is None:
        return None
    code = _compact(match["v"])
    if check_digits.is_isbn13(code):
        return _identified("isbn", code)
    if match["lead"] and check_digits.is_isbn10(code):
        stem = "978" + code[:9]
        return _identified(
            "isbn", stem + next(str(d) for d in range(10) if check_digits.is_isbn13(f"{stem}{d}"))
        )
    return None


def _issn_id(text: str) -> Value | None:
    match = _ISSN.fullmatch(text)
    if match is None or not match["lead"] or not check_digits.is_issn(_compact(match["v"])):
        return None
    return _identified("issn", match["v"].upper())


def _cusip_id(text: str) -> Value | None:
    return _checked("cusip", _CUSIP, text, check_digits.is_cusip)


def _bic(text: str) -> Value | None:
    return _checked("bic", _BIC, text, lambda _: True)


def _vat(text: str) -> Value | None:
    match = _VAT_ID.fullmatch(text)
    code = _compact(match["v"]) if match else ""
    if not match or not match["lead"] or not re.fullmatch(_VAT, code):
        return None
    return _identified("vat", code)


def _ein(text: str) -> Value | None:
    match = _EIN.fullmatch(text)
    return _identified("ein", match["v"]) if match else None


def _patent(text: str) -> Value | None:
    """US9876543B2, EP1234567A1, WO2019/123456: the country, the number, the kind code of WIPO ST.16."""
    match = _PATENT.fullmatch(text)
    if match is None:
        return None
    country = (match["c"] or "").replace(".", "")
    word = match["w"].strip().lower()
    named = word.startswith(("pat", "pub"))
    if not country and not named:
        return None
    if country and not named and not match["k"] and country != "WO" and not re.search(r"[, ]", match["n"]):  # fmt: skip
        return None
    number = re.sub(r"[, ]", "", match["n"])
    note = "" if country else "the country is not written"
    return _identified("patent", f"{country}{number}{match['k'] or ''}", note)


def _application(text: str) -> Value | None:
    match = _APPLICATION.fullmatch(text)
    if match is None:
        return None
    number = (match["p"] or match["n"]).upper().replace(",", "").replace(".", "")
    country = "US" if not number.startswith("PCT") and match["c"] else ""
    return _identified("patent_application", f"{country}{number}")


def _case(text: str) -> Value | None:
    match = _CASE.fullmatch(text)
    if match is None:
        return None
    number = re.sub(r"(?i)^case\s+", "", match["v"])
    head = re.match(r"\d{1,2}:\d\d-[a-z]{2}-\d+", number.lower())
    return _identified("case", head.group() + number[head.end() :].upper() if head else number.upper())  # fmt: skip


def _ecli(text: str) -> Value | None:
    return _identified("ecli", text.upper()) if _ECLI.fullmatch(text) else None


def _celex(text: str) -> Value | None:
    match = _CELEX.fullmatch(text)
    return _identified("celex", match["v"].upper()) if match else None


def _section(text: str) -> Value | None:
    match = _SECTION.fullmatch(text)
    if match is None:
        return None
    name = match["k"].lower().rstrip(".")
    name = _SECTION_NAMES.get(name) or _SECTION_NAMES.get(name.rstrip("s")) or (name if name == "annex" else name.rstrip("s"))  # fmt: skip
    number = match["n"].replace(" ", "")
    return _identified("section", f"{name} {number}")


_READINGS = (
    _iban, _isin, _lei, _isbn, _issn_id, _cusip_id, _bic, _vat, _ein, _doi, _ecli, _case, _celex, _application, _patent,
    _section,
)  # fmt: skip
