r"""Names of objects in a bucket: any key as a name that servers keep apart, list in order, and give back.

Servers disagree on what a name may be. Many keep objects in files, so that `a` beside `a/b`, a
segment of over 255 bytes, or a backslash goes wrong, and list folder by folder, where others list
by bytes. Names made here mean the same to both kinds and sort as their keys do in both:

- Characters up to `!`, then `-`, `.`, `[`, `\`, `~`, U+007F and U+FFFD to U+FFFF are written as
  two: `!`, `-`, `[`, `~` or U+FFFD, and a digit or letter.
- A segment that has others below it ends in `.`, one that has none has no mark. A longer segment
  goes on below after 60 characters, with the mark `-` if what follows is less than `/`, else `~`.
- A name over the limit is cut at a folder and ends in `!_` and a digest; its key is told by the
  object's metadata, and names in such a folder are sorted when they are read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from hashlib import blake2b
from itertools import groupby
from typing import TypeVar

MAX_NAME_BYTES = 1024
MAX_ROOT_BYTES = 300
"""What may stand before a name, so that a digest finds room behind."""

T = TypeVar("T")

_PIECE = 60  # characters of four bytes at most, and a mark: less than a file name's 255
_DEEP = 400  # a folder from here on may hold names with a digest
_DIGEST = "!_"
_CODES = {
    **{chr(c): "!" + chr(0x30 + c) for c in range(0x22)},
    **dict(zip("-.", ("-0", "-1"), strict=True)),
    **dict(zip("[\\", ("[0", "[1"), strict=True)),
    **dict(zip("~\x7f", ("~0", "~1"), strict=True)),
    **dict(zip("\ufffd\ufffe\uffff", ("\ufffd0", "\ufffd1", "\ufffd2"), strict=True)),
}
_ENCODE = str.maketrans(_CODES)
_DECODE = {code: character for character, code in _CODES.items()}


def name_of(key: str) -> str:
    """The name of a key, of any length. Names sort as keys do; a prefix's name is a lower bound."""
    out = []
    for segment in key.split("/"):
        start = 0
        while start + _PIECE < len(segment):
            low = segment[start + _PIECE] < "/"
            out.append(segment[start : start + _PIECE].translate(_ENCODE) + ("-" if low else "~"))
            start += _PIECE
        out.append(segment[start:].translate(_ENCODE) + ".")
    return "/".join(out)[:-1]


def short_name_of(key: str, room_bytes: int) -> str:
    """The name of a key, or the one with a digest if it would be over `room_bytes`."""
    name = name_of(key)
    if len(name.encode()) <= room_bytes:
        return name
    digest = blake2b(key.encode(), digest_size=32).hexdigest()
    return f"{deep_folder(name)}{_DIGEST}{digest}"


def is_short(name: str) -> bool:
    """Whether only the object's metadata tell its key."""
    return name.rpartition("/")[2].startswith(_DIGEST)


def key_of(name: str) -> str | None:
    """The key of a full name; None if no key has it: somebody put an object here."""
    out: list[str] = []
    *folders, last = name.split("/")
    try:
        for folder in folders:
            out.append(_plain(folder[:-1]))
            if folder[-1] == ".":
                out.append("/")
        out.append(_plain(last))
    except (IndexError, KeyError):
        return None
    key = "".join(out)
    return key if last and name_of(key) == name else None


def in_order(
    names: Iterable[tuple[str, T]], key_at: Callable[[str], str | None]
) -> Iterator[tuple[str, T]]:
    """Turn names in order into keys in order, leaving out those that are not ours.

    Args:
        key_at: the key of an object whose name is short, or None if it is gone.
    """
    for folder, group in groupby(names, key=lambda pair: deep_folder(pair[0])):
        keys = ((key_at(n) if is_short(n) else key_of(n), rest) for n, rest in group)
        known = ((key, rest) for key, rest in keys if key is not None)
        # A folder so deep holds few, and digests among them are in no order.
        yield from sorted(known, key=lambda pair: pair[0].encode()) if folder else known


def deep_folder(name: str) -> str:
    """The folder of a name where digests may be too, or nothing: it is listed as a whole."""
    raw = name.encode()
    end = raw.find(b"/", _DEEP)
    return raw[: end + 1].decode()


def _plain(piece: str) -> str:
    if piece.isascii() and piece.isalnum():  # as most are
        return piece
    out, at = [], 0
    while at < len(piece):
        if piece[at] in "!-[~\ufffd":
            out.append(_DECODE[piece[at : at + 2]])
            at += 2
        else:
            out.append(piece[at])
            at += 1
    return "".join(out)
