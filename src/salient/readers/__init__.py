"""Files to text: a module a format, each a plain function that yields pieces.

A reader is `read(file, limits) -> Iterator[Piece]` in a module with `VERSION`, named in `READERS`
by the media type it reads. Readers run in a child process (`salient.readers.child.Converter`), which
holds the limits that a reader cannot hold itself: wall-clock time and memory.

What a reader promises:

- Parts come in reading order, each as soon as it is ready: what was yielded before a kill is kept.
- What could be read is yielded; what was left out is said in a `Note`, with numbers.
- A file that cannot be read at all raises, with `code` in the error's context:
  - InvalidInput: `encrypted`, `empty`, `truncated`, `malformed`, `no_text`;
  - LimitExceeded: `too_many_pages`, `zip_bomb`, `too_large`, ...;
  - Unsupported: `unsupported_format`.
- An error's message is one sentence that says what happened and what a person can do.
- A child without a name is what its parent holds packed, and is named after it.
- Equal bytes give equal pieces.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from salient.errors import Unsupported
from salient.model import Piece

COMPONENT = "salient.readers.v1"
"""The name of the stage's component; `version` says which reader did the work."""

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """What one conversion may use. Every bound is for one file."""

    time_s: float = 120.0
    """Wall clock, from handing the file to the child to its last piece."""
    memory_bytes: int = 900 * MIB
    """Resident memory of the child. The margin to 1 GiB is what it can grow between two looks."""
    max_pages: int = 5000
    max_characters: int = 20_000_000
    max_expanded_bytes: int = 512 * MIB
    """Of everything unpacked from a container, counted while inflating."""
    max_children: int = 2000
    max_depth: int = 5
    """Of documents inside documents; held by whoever adds the children."""
    ocr_pages: int = 200
    ocr_dpi: int = 200


Reader = Callable[[Path, Limits], Iterator[Piece]]

# media type -> reader, imported in the child when first needed.
READERS: dict[str, str] = {
    "application/pdf": "salient.readers.pdf:read",
    "image/png": "salient.readers.image:read",
    "image/jpeg": "salient.readers.image:read",
    "image/tiff": "salient.readers.image:read",
    "image/webp": "salient.readers.image:read",
    "image/bmp": "salient.readers.image:read",
    "image/gif": "salient.readers.image:read",
    "text/plain": "salient.readers.plain:read",
    "text/csv": "salient.readers.delimited:read",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "salient.readers.docx:read",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": "salient.readers.pptx:read",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "salient.readers.spreadsheet:read",
    "application/vnd.ms-excel.sheet.binary.macroenabled.12": "salient.readers.spreadsheet:read",
    "application/vnd.ms-excel": "salient.readers.spreadsheet:read",
    "application/vnd.oasis.opendocument.spreadsheet": "salient.readers.spreadsheet:read",
    "application/vnd.oasis.opendocument.text": "salient.readers.opendocument:read",
    "application/vnd.oasis.opendocument.presentation": "salient.readers.opendocument:read",
    "application/epub+zip": "salient.readers.epub:read",
    "application/rtf": "salient.readers.rtf:read",
    "application/msword": "salient.readers.legacy:read_doc",
    "application/vnd.ms-powerpoint": "salient.readers.legacy:read_ppt",
    "application/vnd.ms-outlook": "salient.readers.legacy:read_msg",
    "application/x-encrypted-office": "salient.readers.encrypted:read",
    "application/vnd.apple.iwork": "salient.readers.iwork:read",
    "message/rfc822": "salient.readers.mail:read",
    "application/mbox": "salient.readers.mail:read_mailbox",
    "text/html": "salient.readers.webpage:read",
    "text/markdown": "salient.readers.markdown:read",
    "text/asciidoc": "salient.readers.plain:read_asciidoc",
    "text/vtt": "salient.readers.plain:read_subtitles",
    "text/x-source": "salient.readers.plain:read_source",
    "text/x-tex": "salient.readers.structured:read_latex",
    "application/json": "salient.readers.plain:read_json",
    "application/jsonl": "salient.readers.plain:read_json",
    "application/xml": "salient.readers.structured:read_xml",
    "application/zip": "salient.readers.archive:read",
    "application/x-tar": "salient.readers.archive:read_tar",
    "application/gzip": "salient.readers.archive:read_packed",
    "application/x-bzip2": "salient.readers.archive:read_packed",
    "application/x-xz": "salient.readers.archive:read_packed",
}


def reader(media_type: str) -> Reader:
    """Import and return the reader of a media type.

    Raises:
        Unsupported: no reader knows the type.
    """
    module, _, function = _target(media_type).partition(":")
    found: Reader = getattr(importlib.import_module(module), function)
    return found


def version(media_type: str) -> str:
    """`name@version` of the reader of a media type, e.g. `pdf@1`.

    Raises:
        Unsupported: no reader knows the type.
    """
    module = importlib.import_module(_target(media_type).partition(":")[0])
    return f"{module.__name__.rpartition('.')[2]}@{module.VERSION}"


def _target(media_type: str) -> str:
    if media_type not in READERS:
        raise Unsupported(
            f"no reader for {media_type}: convert the file to PDF or text and add it again",
            code="unsupported_format",
            media_type=media_type,
        )
    return READERS[media_type]
