"""What the conversion child and its parent say to each other over their pipes.

A frame is one byte of kind, eight bytes little-endian length, and the payload. Nothing here can run
code when it is read (no pickle): the child has just parsed a stranger's file, so the parent believes
none of its bytes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np

from salient.errors import Corrupt
from salient.model import Block, Cell, Child, Kind, Metadata, Note, Part, Piece, columns

HEADER_BYTES = 9
MAX_FRAME_BYTES = 1 << 30
INLINE_BYTES = 64 * 1024
"""Children larger than this go through a file, so that nobody ever holds all of an archive."""


class Tag(IntEnum):
    """What a frame holds."""

    REQUEST = 1
    RECOGNISED = 2
    PART = 3
    NOTE = 4
    METADATA = 5
    CHILD = 6
    CHILD_FILE = 7
    FAILED = 8
    DONE = 9


@dataclass(frozen=True, slots=True)
class Frame:
    tag: Tag
    payload: bytes


def frame(tag: Tag, payload: bytes) -> bytes:
    return bytes([tag]) + len(payload).to_bytes(8, "little") + payload


def message(tag: Tag, fields: Mapping[str, Any]) -> bytes:
    """A frame of JSON; what JSON cannot hold becomes text."""
    return frame(tag, json.dumps(fields, default=str).encode("ascii"))


def fields(payload: bytes) -> dict[str, Any]:
    """Raises Corrupt: not a JSON object."""
    try:
        found = json.loads(payload)
    except ValueError as exc:
        raise Corrupt("a message of the conversion process cannot be read") from exc
    if not isinstance(found, dict):
        raise Corrupt("a message of the conversion process is not an object")
    return found


def head(data: bytes | bytearray) -> tuple[Tag, int]:
    """Tag and payload length from the first `HEADER_BYTES` bytes.

    Raises Corrupt: no such tag, or a length over `MAX_FRAME_BYTES`.
    """
    size = int.from_bytes(data[1:HEADER_BYTES], "little")
    try:
        tag = Tag(data[0])
    except ValueError as exc:
        raise Corrupt("the conversion process sent something else than a message") from exc
    if size > MAX_FRAME_BYTES:
        raise Corrupt("the conversion process sent too long a message", size_bytes=size)
    return tag, size


class Inbox:
    """Puts frames together from bytes as they arrive."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Frame]:
        """Frames completed by `data`. Raises Corrupt, as `head`."""
        buffer = self._buffer
        buffer += data
        frames: list[Frame] = []
        at = 0
        while len(buffer) - at >= HEADER_BYTES:
            tag, size = head(buffer[at : at + HEADER_BYTES])
            end = at + HEADER_BYTES + size
            if len(buffer) < end:
                break
            frames.append(Frame(tag, bytes(buffer[at + HEADER_BYTES : end])))
            at = end
        if at:
            del buffer[:at]
        return frames


def write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def encode(piece: Piece) -> bytes:
    """A piece as a frame. A `Child` too big to go inline is the sender's business."""
    match piece:
        case Part():
            return frame(Tag.PART, _dump_part(piece))
        case Note():
            return message(Tag.NOTE, {"row": [piece.code, piece.message, piece.page]})
        case Metadata():
            return message(Tag.METADATA, {"fields": piece.fields})
        case Child():
            return frame(Tag.CHILD, _named(piece.name, piece.content))


def decode(got: Frame) -> Piece:
    """The piece in a frame. Raises Corrupt: the payload is not of its kind."""
    try:
        match got.tag:
            case Tag.PART:
                return _load_part(got.payload)
            case Tag.NOTE:
                code, text, page = fields(got.payload)["row"]
                return Note(str(code), str(text), page)
            case Tag.METADATA:
                return Metadata({str(k): str(v) for k, v in fields(got.payload)["fields"].items()})
            case Tag.CHILD:
                size = int.from_bytes(got.payload[:4], "little")
                name = got.payload[4 : 4 + size].decode("utf-8", "surrogatepass")
                return Child(name, got.payload[4 + size :])
            case _:
                raise Corrupt(
                    "a message of the conversion process holds no piece", tag=got.tag.name
                )
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as exc:
        raise Corrupt("a piece from the conversion process cannot be read") from exc


def _named(name: str, content: bytes) -> bytes:
    encoded = name.encode("utf-8", "surrogatepass")
    return len(encoded).to_bytes(4, "little") + encoded + content


def _dump_part(part: Part) -> bytes:
    rows: list[list[Any]] = []
    spans: list[Any] = []
    boxes: list[Any] = []
    for block in part.blocks:
        words = -1
        if block.word_spans is not None and block.word_boxes is not None:
            words = len(block.word_spans)
            spans.append(block.word_spans)
            boxes.append(block.word_boxes)
        cells = [
            [c.row, c.column, c.start, c.end, c.row_span, c.column_span, c.header]
            for c in block.cells
        ]
        rows.append([int(block.kind), block.text, block.level, words, cells])
    header = {
        "blocks": rows,
        "part": [part.page, part.width_pt, part.height_pt, part.origin, part.label],
    }
    return columns.dump(
        {
            "spans": np.concatenate(spans).astype(np.int32)
            if spans
            else np.zeros((0, 2), np.int32),
            "boxes": (
                np.concatenate(boxes).astype(np.float32) if boxes else np.zeros((0, 4), np.float32)
            ),
        },
        header,
    )


def _load_part(data: bytes) -> Part:
    header, arrays = columns.load(data)
    blocks: list[Block] = []
    at = 0
    for kind, text, level, words, cells in header["blocks"]:
        block = Block(Kind(kind), text, level, cells=[Cell(*c) for c in cells])
        if words >= 0:
            block.word_spans = arrays["spans"][at : at + words]
            block.word_boxes = arrays["boxes"][at : at + words]
            at += words
        blocks.append(block)
    page, width, height, origin, label = header["part"]
    return Part(blocks, page, width, height, origin, label)
