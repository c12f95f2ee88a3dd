"""Check digits of identifiers: they tell an identifier from any other run of letters and digits.

Each function takes a code without blanks, in capitals, and never raises; what has not the form has not
the digit.
"""

from __future__ import annotations

import re
from typing import Final

# Length by country, from the SWIFT IBAN registry.
IBAN_LENGTH: Final = {
    pair[:2]: int(pair[2:]) for pair in (
        "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DK18 DO28 EE20 EG29 ES24 FI18 FO18 "
        "FR27 GB22 GE22 GI23 GL18 GR27 GT28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LI21 LT20 LU20 LV21 MC27 "
        "MD24 ME22 MK19 MR27 MT31 MU30 NL18 NO15 PK24 PL28 PS29 PT25 QA29 RO24 RS22 SA24 SC31 SE24 SI19 SK24 SM27 TN24 TR26 "
        "UA29 VA22 VG24 XK20"
    ).split()
}  # fmt: skip
_CUSIP_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ*@#"


def _as_number(code: str) -> str:
    """Letters as 10 to 35, as ISO 7064 and ISO 6166 write them."""
    return "".join(str(int(c, 36)) for c in code)


def luhn(digits: str) -> bool:
    """ISO/IEC 7812-1, annex B, over decimal digits."""
    total = 0
    for position, digit in enumerate(reversed(digits)):
        n = int(digit) * (1 + position % 2)
        total += n - 9 * (n > 9)
    return total % 10 == 0


def is_iban(code: str) -> bool:
    """ISO 13616: ISO 7064 MOD 97-10 over the code with its first four characters last."""
    return (
        re.fullmatch(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}", code) is not None
        and IBAN_LENGTH.get(code[:2]) == len(code)
        and int(_as_number(code[4:] + code[:4])) % 97 == 1
    )


def is_isin(code: str) -> bool:
    """ISO 6166."""
    return re.fullmatch(r"[A-Z]{2}[A-Z0-9]{9}[0-9]", code) is not None and luhn(_as_number(code))


def is_lei(code: str) -> bool:
    """ISO 17442."""
    return (
        re.fullmatch(r"[A-Z0-9]{18}[0-9]{2}", code) is not None and int(_as_number(code)) % 97 == 1
    )


def is_isbn10(code: str) -> bool:
    """ISO 2108 of before 2007."""
    return re.fullmatch(r"[0-9]{9}[0-9X]", code) is not None and _weighed(code) % 11 == 0


def is_isbn13(code: str) -> bool:
    """ISO 2108."""
    return re.fullmatch(r"97[89][0-9]{10}", code) is not None and (
        sum(int(c) * (1 + 2 * (i % 2)) for i, c in enumerate(code)) % 10 == 0
    )


def is_issn(code: str) -> bool:
    """ISO 3297."""
    return re.fullmatch(r"[0-9]{7}[0-9X]", code) is not None and _weighed(code) % 11 == 0


def _weighed(code: str) -> int:
    return sum((len(code) - i) * (10 if c == "X" else int(c)) for i, c in enumerate(code))


def is_cusip(code: str) -> bool:
    """ANSI X9.6."""
    if not re.fullmatch(r"[0-9A-Z*@#]{8}[0-9]", code):
        return False
    total = 0
    for i, c in enumerate(code[:8]):
        n = _CUSIP_DIGITS.index(c) * (1 + i % 2)
        total += n // 10 + n % 10
    return (10 - total % 10) % 10 == int(code[8])
