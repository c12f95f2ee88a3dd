"""Cursors of change feeds as opaque text, and what a reader is told whose cursor leads nowhere."""

from __future__ import annotations

import base64
import json

from salient.errors import InvalidInput, NotFound

KEPT_CHANGES = 100_000


def pack(*parts: str | int) -> str:
    raw = json.dumps(parts, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def unpack(cursor: str, *kinds: type[str | int]) -> list[str | int]:
    """What `pack` made it of.

    Raises:
        InvalidInput: it is not of that form.
    """
    try:
        raw = base64.b64decode((cursor + "=" * (-len(cursor) % 4)).encode(), b"-_", validate=True)
        parts = json.loads(raw)
    except (ValueError, RecursionError) as exc:
        raise forged(cursor) from exc
    if not isinstance(parts, list) or [type(part) for part in parts] != list(kinds):
        raise forged(cursor)
    return parts


def forged(cursor: str) -> InvalidInput:
    return InvalidInput("this cursor is not from a change feed", after=ascii(cursor)[:80])


def gone(cursor: str) -> NotFound:
    return NotFound(
        "the change feed does not reach back to this cursor: ask for changes without `after`, "
        "read the collection anew, and go on from there",
        after=cursor[:80],
    )
