"""Addresses: mail, web, telephone, each in the standard form of its kind."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from salient.knowledge.values.value import Value

_EMAIL = re.compile(r"[^\s@<>\"()]{1,64}@[^\s@<>\"()]{1,190}")
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")  # fmt: skip
_PORTS: Final = {"http": 80, "https": 443, "ftp": 21}
# Country calling codes, ITU-T E.164 annex; of one digit 1 and 7, of two these, all others have three.
_CODES_2: Final = frozenset(
    "20 27 30 31 32 33 34 36 39 40 41 43 44 45 46 47 48 49 51 52 53 54 55 56 57 58 60 61 62 63 64 65 66 81 82 84 86 "
    "90 91 92 93 94 95 98".split()
)  # fmt: skip
_PHONE = re.compile(r"(?P<plus>\+|00)?[\d\s().·/-]{5,40}(?:(?:ext|x)\.?\s?(?P<x>\d{1,6}))?", re.IGNORECASE)  # fmt: skip


def email(text: str) -> Value | None:
    """The domain in lower case (RFC 5321, 2.4: what stands before it may tell cases apart)."""
    text = text.strip(" <>.,;").removeprefix("mailto:")
    if not _EMAIL.fullmatch(text):
        return None
    local, _, domain = text.rpartition("@")
    return Value("email", f"{local}@{domain.lower()}")


def url(text: str) -> Value | None:
    """Normalised as RFC 3986, 6.2.2 and 6.2.3 have it: case, escapes, dot segments, default port, empty path."""
    text = text.strip(" <>")
    note = ""
    if re.match(r"www\.", text, re.IGNORECASE):
        text, note = f"http://{text}", "no scheme is written"
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return None
    scheme, host = parts.scheme.lower(), (parts.hostname or "").lower()
    if not scheme or not host:
        return None
    where = f"[{host}]" if ":" in host else host
    if port is not None and port != _PORTS.get(scheme):
        where = f"{where}:{port}"
    if "@" in parts.netloc:
        where = f"{parts.netloc.rpartition('@')[0]}@{where}"
    path = _without_dots(_escaped(parts.path)) or "/"
    normal = urlunsplit((scheme, where, path, _escaped(parts.query), _escaped(parts.fragment)))
    return Value("url", normal, unit=scheme, note=note)


def _escaped(text: str) -> str:
    """Escapes in capitals, and none of what needs none."""

    def one(match: re.Match[str]) -> str:
        character = chr(int(match[1], 16))
        return character if character in _UNRESERVED else match.group().upper()

    return _ESCAPE.sub(one, text)


def _without_dots(path: str) -> str:
    """RFC 3986, 5.2.4."""
    if not path.startswith("/"):
        return path
    kept: list[str] = []
    segments = path.split("/")[1:]
    for segment in segments:
        if segment == "..":
            kept = kept[:-1]
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in {".", ".."}:
        kept.append("")
    return "/" + "/".join(kept)


def phone(text: str) -> Value | None:
    """E.164 (`+4722334455`) where the country is written; else the digits, and a note that it is not."""
    text = text.strip(" .,;").removeprefix("tel:")
    match = _PHONE.fullmatch(text)
    if match is None:
        return None
    body = text[: match.start("x")] if match["x"] else text
    modifier = f"ext_{match['x']}" if match["x"] else None
    if match["plus"]:
        body = body.removeprefix("00").replace(
            "(0)", ""
        )  # "+44 (0)20": the 0 is not dialled from abroad
        digits = _digits(body)
        country = _country(digits)
        if not 7 <= len(digits) <= 15 or country is None:
            return None
        return Value("phone", f"+{digits}", unit=f"+{country}", modifier=modifier)
    digits = _digits(body)
    if not 5 <= len(digits) <= 15:
        return None
    return Value("phone", digits, modifier=modifier, note="the country is not written")


def _digits(text: str) -> str:
    return "".join(str(int(c)) for c in text if c.isdecimal())


def _country(digits: str) -> str | None:
    if digits[:1] in {"", "0"}:
        return None
    if digits[0] in "17":
        return digits[0]
    return digits[:2] if digits[:2] in _CODES_2 else digits[:3]
