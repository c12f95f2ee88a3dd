"""Bytes of unknown encoding to text, saying what could not be read."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass

from salient.model import Note

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it starts with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_HIGH = re.compile(rb"[\x80-\xff]+")
# A high byte that is plausible in Western text: a letter beside a plain letter, or a sign that stands alone.
_WESTERN = re.compile(
    rb"(?<=[A-Za-z])[\xc0-\xd6\xd8-\xf6\xf8-\xff\x8a\x8c\x8e\x9a\x9c\x9e\x92]"
    rb"|[\xc0-\xd6\xd8-\xf6\xf8-\xfd\x8a\x8c\x8e\x9a\x9c\x9e](?=[A-Za-z])"
    rb"|[\x80\x82\x84\x85\x91-\x97\x99\xa0\xa1\xa3\xa5\xa7\xa9\xab\xad\xae\xb0\xb1\xb4\xb7\xba\xbb\xbc-\xbf\xd7]"
    rb"|(?<![A-Za-z\x80-\xff])[\xc0\xc9\xe0\xe1\xe8\xe9\xed\xf3\xfa](?![A-Za-z\x80-\xff])"
)
_CONTROL = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f\ufffe\uffff]")
_SAMPLE_BYTES = 1 << 16
# Labels as the web uses them: what says Latin-1 is Windows-1252 in fact.
_ALIASES = {
    "iso-8859-1": "cp1252",
    "iso8859-1": "cp1252",
    "latin-1": "cp1252",
    "latin1": "cp1252",
    "us-ascii": "cp1252",
    "ascii": "cp1252",
    "iso-8859-9": "cp1254",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "ks_c_5601-1987": "cp949",
    "euc-kr": "cp949",
    "x-sjis": "cp932",
    "utf8": "utf-8",
    "unicode": "utf-16",
    "utf-16": "utf-8",  # a page that could say so in ASCII is not UTF-16
}


@dataclass(frozen=True, slots=True)
class Decoded:
    r"""Text with `\n` line ends, without NULs and other control characters but tab and form feed.

    Args:
        n_replaced: bytes that are not of the encoding; each run stands as U+FFFD.
        n_control: control characters that were taken out.
    """

    text: str
    encoding: str
    n_replaced: int = 0
    n_control: int = 0

    def notes(self) -> Iterator[Note]:
        """What a person should know of the decoding."""
        if self.n_replaced:
            yield Note(
                "undecodable_bytes",
                f"{self.n_replaced} bytes are not valid {self.encoding} and show as \ufffd",
            )
        if self.n_control:
            yield Note("control_characters", f"{self.n_control} control characters were taken out")


def decode(content: bytes, declared: str | None = None) -> Decoded:
    """Decode by byte-order mark, as UTF-8, as declared, or by what the bytes look like.

    Never fails: what no encoding explains is replaced, and counted.
    """
    for mark, marked in _BOMS:
        if content.startswith(mark):
            return _lenient(content[len(mark) :], marked)
    wide = _wide(content)
    if wide:
        return _lenient(content, wide)
    try:
        return _cleaned(content.decode("utf-8"), "utf-8")
    except UnicodeDecodeError:
        pass  # the usual case for everything below
    if declared:
        encoding = _known(declared)
        if encoding and encoding != "utf-8":
            try:
                return _cleaned(content.decode(encoding), encoding)
            except UnicodeDecodeError:
                pass  # a false declaration is as good as none
    return _lenient(content, _guess(content))


def _known(name: str) -> str | None:
    name = name.strip().strip("\"'").lower()
    name = _ALIASES.get(name, name)
    try:
        info = codecs.lookup(name)
    except (LookupError, ValueError):
        return None
    # `rot13`, `base64` and their like are codecs, but not of text.
    return info.name if getattr(info, "_is_text_encoding", True) else None


def _wide(content: bytes) -> str | None:
    """UTF-16 without a mark, seen by its NULs on one side."""
    head = content[:4096]
    if len(head) < 4 or b"\0" not in head:
        return None
    half = len(head) // 2
    even, odd = head[0::2].count(0), head[1::2].count(0)
    if odd > half * 0.6 and even < half * 0.1:
        return "utf-16-le"
    if even > half * 0.6 and odd < half * 0.1:
        return "utf-16-be"
    return None


def _guess(content: bytes) -> str:
    high = _HIGH.findall(content)
    n_high = sum(map(len, high))
    # How much of it is UTF-8 after all? Truncated or spliced files have a few bad bytes only.
    broken = content.decode("utf-8", "replace").count("\ufffd")
    well_formed = max(0, n_high - broken)
    if well_formed > 4 * broken:
        return "utf-8"
    western = len(_WESTERN.findall(content))
    if n_high < 64:
        return "cp1252" if western * 2 > n_high else "utf-8"
    from charset_normalizer import from_bytes

    first = _HIGH.search(content)
    start = max(0, (first.start() if first else 0) - 512)
    best = from_bytes(content[start : start + _SAMPLE_BYTES]).best()
    if best is not None and best.encoding not in {"ascii", "utf_8"}:
        if western > 0.9 * n_high and best.encoding.startswith(("cp125", "latin", "iso8859")):
            return "cp1252"
        return str(best.encoding)
    return "cp1252" if western * 2 > n_high else "utf-8"


def _lenient(content: bytes, encoding: str) -> Decoded:
    try:
        return _cleaned(content.decode(encoding), encoding)
    except UnicodeDecodeError:
        text = content.decode(encoding, "replace")
    return _cleaned(text, encoding, n_replaced=text.count("\ufffd"))


def _cleaned(text: str, encoding: str, n_replaced: int = 0) -> Decoded:
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    # A mark inside the text is a zero-width space of old, which nobody sees or misses.
    text = text.replace("\ufeff", "")
    n_control = 0
    if _CONTROL.search(text):
        text, n_control = _CONTROL.subn("", text)
    return Decoded(text, encoding, n_replaced, n_control)
