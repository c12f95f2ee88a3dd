"""The date a document gives itself, from its metadata."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

# What readers call it, the most telling first.
FIELDS = ("date", "published", "created", "modified")

_ISO = re.compile(r"^(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})")
_PDF = re.compile(r"^D:(\d{4})(\d{2})?(\d{2})?")


def document_date(metadata: Mapping[str, str]) -> str | None:
    """An ISO date, None without one that can be a real date (1400 to next year)."""
    for name in FIELDS:
        parsed = _parse(metadata.get(name, "").strip())
        if parsed is not None and 1400 <= parsed.year <= datetime.now(UTC).year + 1:
            return parsed.date().isoformat()
    return None


def told_date(metadata: Mapping[str, str]) -> str | None:
    """The ISO date on which the document says it was written or published.

    That of a file's making or last change is left out: it may be a copy's, and "yesterday" is not told
    from it.
    """
    return document_date({name: metadata[name] for name in FIELDS[:2] if name in metadata})


def _parse(value: str) -> datetime | None:
    if not value:
        return None
    for pattern in (_ISO, _PDF):
        if match := pattern.match(value):
            year, month, day = (int(g or 1) for g in match.groups())
            try:
                return datetime(year, month, day, tzinfo=UTC)
            except ValueError:
                return None
    try:
        return parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError):
        return None
