"""The child's side of a conversion: `python -m salient.readers.worker`, started by `Converter`.

It reads requests from standard input and answers on what was standard output, one at a time, until
its input ends.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from salient import readers
from salient.errors import Error, InvalidInput, LimitExceeded, NotFound
from salient.model import Block, Child, Metadata, Note, Part, Piece
from salient.readers import Limits, cage, frames, ocr
from salient.readers.frames import Tag

_MAX_BLOCKS = 300_000
"""A block takes some hundred bytes however short it is, here and wherever it goes."""


def main() -> None:
    """Serve requests until standard input ends."""
    # Libraries print; a stray line on the pipe would be read as a frame.
    out = os.dup(1)
    os.dup2(2, 1)
    parent = int(sys.argv[1]) if len(sys.argv) > 1 else os.getppid()
    cage.die_with_parent(parent)
    cage.no_core_dump()
    cage.no_network()
    source = sys.stdin.buffer
    while (payload := _request(source)) is not None:
        _answer(frames.fields(payload), out)


def _request(source: BinaryIO) -> bytes | None:
    start = source.read(frames.HEADER_BYTES)
    if len(start) < frames.HEADER_BYTES:
        return None
    _, size = frames.head(start)
    payload = source.read(size)
    return payload if len(payload) == size else None


def _answer(request: dict[str, Any], out: int) -> None:
    limits = Limits(**request["limits"])
    readers.READERS.update(request["readers"])
    ocr.leave(elsewhere=not request["ocr"])
    cage.forget_peak()
    cage.limit_memory(limits.memory_bytes)
    n_parts = 0
    try:
        for piece in _bounded(_pieces(request, limits, out), limits):
            n_parts += isinstance(piece, Part)
            _send(piece, out, Path(request["folder"]))
    except Error as error:
        _fail(out, error)
    except MemoryError:
        _fail(
            out,
            LimitExceeded(
                "reading the file takes more memory than is allowed: split it, or raise the limit",
                code="out_of_memory",
                memory_bytes=limits.memory_bytes,
            ),
        )
    except Exception as exc:  # the outermost loop: parsers raise anything on bad bytes
        _fail(
            out,
            InvalidInput(
                "the file is damaged and cannot be read: open it in its own program, save it anew "
                "and add it again",
                code="malformed",
                detail=f"{type(exc).__name__}: {exc}"[:500],
            ),
        )
    frames.write_all(out, frames.message(Tag.DONE, {"peak_memory_bytes": cage.peak_memory_bytes()}))


def _fail(out: int, error: Error) -> None:
    frames.write_all(
        out,
        frames.message(
            Tag.FAILED,
            {"code": error.code, "message": error.message, "context": error.context},
        ),
    )


def _pieces(request: dict[str, Any], limits: Limits, out: int) -> Iterator[Piece]:
    file = Path(request["file"])
    try:
        size = file.stat().st_size
    except OSError as exc:
        raise NotFound(
            "the file is no longer there or may not be read: check the path and add it again",
            code="vanished",
        ) from exc
    if size == 0:
        raise InvalidInput(
            "the file is empty: check that it was saved or copied completely", code="empty"
        )
    media_type = request.get("media_type") or _recognise(file, request["name"])
    read = readers.reader(media_type)
    frames.write_all(
        out,
        frames.message(
            Tag.RECOGNISED,
            {"media_type": media_type, "component": readers.version(media_type)},
        ),
    )
    for piece in read(file, limits):
        if isinstance(piece, Child) and not piece.name:
            yield replace(piece, name=_unpacked_name(request["name"]))
        else:
            yield piece


def _unpacked_name(packed: str) -> str:
    from salient.readers.archive import unpacked_name

    return unpacked_name(packed)


def _recognise(file: Path, name: str) -> str:
    from salient.readers.recognise import recognise

    return recognise(file, name)


def _bounded(pieces: Iterator[Piece], limits: Limits) -> Iterator[Piece]:
    """Hold the limits that concern every reader alike."""
    n_characters = n_blocks = n_children = child_bytes = 0
    children_left = 0
    told = False
    for piece in pieces:
        match piece:
            case Part():
                room = limits.max_characters - n_characters
                fitting, whole = _fitting(piece.blocks, room, _MAX_BLOCKS - n_blocks)
                n_blocks += len(fitting)
                n_characters += sum(len(block.text) for block in fitting)
                if not whole:
                    if fitting:
                        yield replace(piece, blocks=fitting)
                    where = f"from page {piece.page} on" if piece.page else "at the end"
                    yield Note(
                        "text_left_out",
                        f"text {where} was left out: the limit is {limits.max_characters:,} "
                        f"characters and {_MAX_BLOCKS:,} paragraphs",
                        piece.page,
                    )
                    told = True
                    break
            case Child():
                n_children += 1
                child_bytes += len(piece.content)
                if n_children > limits.max_children or child_bytes > limits.max_expanded_bytes:
                    children_left += 1
                    continue
            case Note():
                told = True
            case Metadata():
                pass
        yield piece
    if not (n_characters or n_children or told):
        yield Note("no_text", "no text was found in the file")
    if children_left:
        yield Note(
            "children_left_out",
            f"{children_left} documents inside this one were left out: the limits are "
            f"{limits.max_children} documents and {limits.max_expanded_bytes:,} bytes",
        )


def _fitting(blocks: Sequence[Block], room: int, most: int) -> tuple[list[Block], bool]:
    """The first blocks, at most `most` and with `room` characters together; whether that is all."""
    fitting = []
    for block in blocks[:most]:
        if len(block.text) > room:
            if room > 0 and block.word_spans is None and not block.cells:
                fitting.append(replace(block, text=block.text[:room]))
            return fitting, False
        room -= len(block.text)
        fitting.append(block)
    return fitting, len(fitting) == len(blocks)


def _send(piece: Piece, out: int, folder: Path) -> None:
    if isinstance(piece, Child) and len(piece.content) > frames.INLINE_BYTES:
        with tempfile.NamedTemporaryFile(dir=folder, prefix="child-", delete=False) as file:
            file.write(piece.content)
        payload = json.dumps({"name": piece.name, "file": Path(file.name).name}).encode("ascii")
        frames.write_all(out, frames.frame(Tag.CHILD_FILE, payload))
        return
    frames.write_all(out, frames.encode(piece))


if __name__ == "__main__":
    main()
