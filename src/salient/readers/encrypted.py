"""Office files under a password: recognised, never opened."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from salient.errors import InvalidInput
from salient.model import Piece
from salient.readers import Limits

VERSION = 1


def read(file: Path, limits: Limits) -> Iterator[Piece]:
    """Raise InvalidInput (`encrypted`): the content cannot be had without the password."""
    del file, limits
    raise InvalidInput(
        "the file is protected by a password: remove it and add the file again", code="encrypted"
    )
