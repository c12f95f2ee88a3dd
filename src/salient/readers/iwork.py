"""Apple Pages, Numbers and Keynote: the PDF preview that older versions keep; nothing else is open."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from salient.errors import Unsupported
from salient.model import Child, Note, Piece
from salient.readers import Limits
from salient.readers.zipped import Container

VERSION = 1


def read(file: Path, limits: Limits) -> Iterator[Piece]:
    """Yield the document's own PDF preview as a child.

    Raises:
        Unsupported: there is none, as in files since 2013 unless their owner asked for it.
    """
    with Container(file, limits) as container:
        for name in container.names():
            if name.lower().endswith("preview.pdf") and not container.encrypted(name):
                yield Child("Preview.pdf", container.read(name))
                yield Note("preview_read", "the text was read from the file's own PDF preview")
                return
    raise Unsupported(
        "files of Apple Pages, Numbers and Keynote cannot be read: export them as PDF or in a "
        "Microsoft Office format and add those",
        code="unsupported_format",
    )
