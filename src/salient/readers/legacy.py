"""Office files of before 2007: the text of DOC and PPT, mails of Outlook (MSG). No layout.

Source: [MS-DOC] 2.4.1 (retrieving text), [MS-PPT] 2.9 (text atoms), [MS-OXMSG] 2.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from pathlib import Path

from salient.errors import InvalidInput, Unsupported
from salient.model import Block, Child, Kind, Metadata, Note, Part, Piece
from salient.readers import Limits, plain, webpage
from salient.readers.decoding import decode
from salient.readers.ole import Compound
from salient.readers.tables import Entry, table

VERSION = 1

_FIELD = re.compile("\x13[^\x13\x14\x15]*(?:\x14([^\x13\x14\x15]*))?\x15")
_LAYOUT_NOTE = Note(
    "old_format",
    "headings and layout of this old format are not read: save it in the new format for those",
)


def read_doc(file: Path, limits: Limits) -> Iterator[Piece]:
    """Read a Word 97-2003 document: its text, footnotes and headers, by the piece table."""
    del limits
    compound = Compound(file.read_bytes())
    entry = compound.find("WordDocument")
    if entry is None:
        raise _malformed()
    stream = compound.read(entry)
    if len(stream) < 0x1A2 + 8:
        raise _malformed()
    flags = struct.unpack_from("<H", stream, 0x0A)[0]
    if flags & 0x0100:
        raise InvalidInput(
            "the file is protected by a password: remove it and add the file again",
            code="encrypted",
        )
    if struct.unpack_from("<H", stream, 2)[0] < 0xC1:
        raise Unsupported(
            "the file was written by Word 6 or 95: save it as DOCX or PDF and add it again",
            code="unsupported_format",
        )
    table_entry = compound.find("1Table" if flags & 0x0200 else "0Table")
    if table_entry is None:
        raise _malformed()
    text = _piece_text(stream, compound.read(table_entry))
    lengths = struct.unpack_from("<8i", stream, 0x4C)
    bounds = [0]
    for n in lengths[:6]:
        bounds.append(bounds[-1] + max(n, 0))
    main, footnotes, headers = (text[bounds[i] : bounds[i + 1]] for i in range(3))
    rest = text[bounds[4] : bounds[6]] if len(bounds) > 6 else ""
    yield Metadata(_summary(compound))
    blocks = list(_doc_blocks(main))
    blocks += [Block(Kind.FOOTNOTE, b.text) for b in _doc_blocks(footnotes)]
    blocks += [Block(Kind.FOOTNOTE, b.text) for b in _doc_blocks(rest)]
    seen: set[str] = set()
    for block in _doc_blocks(headers):
        if block.text not in seen:
            seen.add(block.text)
            blocks.append(Block(Kind.PAGE_HEADER, block.text))
    yield Part(blocks)
    yield _LAYOUT_NOTE


def _piece_text(stream: bytes, tables: bytes) -> str:
    start, size = struct.unpack_from("<II", stream, 0x1A2)
    clx = tables[start : start + size]
    at = 0
    while at < len(clx) and clx[at] == 1:  # formatting of pieces comes first
        at += 3 + struct.unpack_from("<H", clx, at + 1)[0]
    if at + 5 > len(clx) or clx[at] != 2:
        raise _malformed()
    length = struct.unpack_from("<I", clx, at + 1)[0]
    plc = clx[at + 5 : at + 5 + length]
    n = (len(plc) - 4) // 12
    positions = struct.unpack_from(f"<{n + 1}I", plc, 0)
    pieces = []
    for i in range(n):
        where = struct.unpack_from("<I", plc, 4 * (n + 1) + 8 * i + 2)[0]
        count = positions[i + 1] - positions[i]
        if count < 0 or count > len(stream):
            raise _malformed()
        if where & 0x40000000:
            begin = (where & 0x3FFFFFFF) // 2
            pieces.append(stream[begin : begin + count].decode("cp1252", "replace"))
        else:
            pieces.append(stream[where : where + 2 * count].decode("utf-16-le", "replace"))
    return "".join(pieces)


def _doc_blocks(text: str) -> Iterator[Block]:
    for _ in range(5):  # fields nest
        text, n = _FIELD.subn(lambda m: m.group(1) or "", text)
        if not n:
            break
    yield from _paragraphs_and_tables(text)


def _paragraphs_and_tables(text: str) -> Iterator[Block]:
    """Cells end in U+0007, and a row in one more of them."""
    rows: list[list[Entry]] = []
    row: list[Entry] = []
    pending: list[str] = []
    for match in re.finditer("([^\r\x0c\x07]*)([\r\x0c\x07]|$)", text):
        words, end = _clean(match.group(1)), match.group(2)
        if end == "\x07":
            if not words and not pending and row:
                rows.append(row)
                row = []
            else:
                row.append(Entry(" ".join([*pending, words])))
            pending = []
            continue
        if row:
            pending.append(words)  # a paragraph within a cell
            continue
        if words:
            # Between rows there is nothing; text here ends the table.
            if rows and (block := table(rows)):
                yield block
            rows = []
            yield Block(Kind.PARAGRAPH, words)
    if row:
        rows.append(row)
    if rows and (block := table(rows)):
        yield block
    tail = " ".join(p for p in pending if p)
    if tail:
        yield Block(Kind.PARAGRAPH, tail)


def _clean(text: str) -> str:
    text = text.replace("\x0b", "\n").replace("\x1e", "-").replace("\x1f", "").replace("\xa0", " ")
    text = re.sub("[\x00-\x09\x0e-\x1d]", " ", text)
    return "\n".join(s for x in text.split("\n") if (s := " ".join(x.split())))


def read_ppt(file: Path, limits: Limits) -> Iterator[Piece]:
    """Read a PowerPoint 97-2003 file: a part a slide that the outline lists, its text in order."""
    compound = Compound(file.read_bytes())
    entry = compound.find("PowerPoint Document")
    if entry is None:
        raise _malformed()
    if compound.find("EncryptedSummary") is not None:
        raise InvalidInput(
            "the file is protected by a password: remove it and add the file again",
            code="encrypted",
        )
    stream = compound.read(entry)
    yield Metadata(_summary(compound))
    outlined: list[list[Block]] = []
    drawn: list[list[Block]] = []
    current: list[Block] = []
    kind = 0
    slide_depth = -1
    for depth, record, start, length, instance in _records(stream):
        if record == 0x0FF0 and instance == 0:  # outline text of slides
            current = []
        elif record == 0x03F3:  # one slide begins in the outline
            current = []
            outlined.append(current)
        elif record == 0x03EE:  # a slide's drawing
            current = []
            slide_depth = depth
            drawn.append(current)
        elif record in (0x03F8, 0x03F0) and depth <= max(slide_depth, 0) + 1:  # master, notes
            current = []
        elif record == 0x0F9F and length >= 4:
            kind = struct.unpack_from("<I", stream, start)[0]
        elif record in (0x0FA0, 0x0FA8):
            raw = stream[start : start + length]
            text = (
                raw.decode("utf-16-le", "replace")
                if record == 0x0FA0
                else raw.decode("cp1252", "replace")
            )
            for line in text.replace("\x0b", " ").split("\r"):
                words = " ".join(line.split())
                if words:
                    title = kind in (0, 6)
                    current.append(
                        Block(Kind.TITLE if title else Kind.PARAGRAPH, words, int(title))
                    )
    n = max(len(outlined), len(drawn))
    for page in range(1, n + 1):
        if page > limits.max_pages:
            yield Note("pages_left_out", f"slides {page}-{n} were left out")
            break
        blocks = outlined[page - 1] if page <= len(outlined) else []
        extra = drawn[page - 1] if page <= len(drawn) else []
        known = {b.text for b in blocks}
        yield Part([*blocks, *(b for b in extra if b.text not in known)], page)
    yield _LAYOUT_NOTE


def _records(stream: bytes) -> Iterator[tuple[int, int, int, int, int]]:
    """(depth, type, start of content, length, instance) of every record, containers before theirs."""
    ends: list[int] = []
    at = 0
    while at + 8 <= len(stream):
        while ends and at >= ends[-1]:
            ends.pop()
        version, record, length = struct.unpack_from("<HHI", stream, at)
        yield len(ends), record, at + 8, min(length, len(stream) - at - 8), version >> 4
        if version & 0x0F == 0x0F:
            ends.append(at + 8 + length)
            at += 8
        else:
            at += 8 + length


def _summary(compound: Compound) -> dict[str, str]:
    """Title, subject, author and keywords of the summary stream ([MS-OLEPS])."""
    entry = compound.find("\x05SummaryInformation")
    if entry is None:
        return {}
    data = compound.read(entry)
    names = {2: "title", 3: "subject", 4: "author", 5: "keywords", 8: "modified_by"}
    fields = {}
    try:
        section = struct.unpack_from("<I", data, 44)[0]
        count = struct.unpack_from("<I", data, section + 4)[0]
        for i in range(min(count, 100)):
            number, offset = struct.unpack_from("<II", data, section + 8 + 8 * i)
            kind, length = struct.unpack_from("<II", data, section + offset)
            if number in names and kind == 30:
                begin = section + offset + 8
                text = decode(data[begin : begin + length].split(b"\0")[0]).text.strip()
                if text:
                    fields[names[number]] = text
    except struct.error:
        return fields  # what was read before the stream broke off
    return fields


def read_msg(file: Path, limits: Limits) -> Iterator[Piece]:
    """Read a mail that Outlook saved: headers, body, attachments as children."""
    compound = Compound(file.read_bytes())
    properties = _properties(compound, ())
    subject = properties.get(0x0037, "")
    sender = " ".join(
        x
        for x in (
            properties.get(0x0C1A, ""),
            _angled(properties.get(0x5D01) or properties.get(0x0C1F, "")),
        )
        if x
    )
    shown = [
        ("From", sender), ("To", properties.get(0x0E04, "")), ("Cc", properties.get(0x0E03, "")),
        ("Date", _header_date(properties.get(0x007D, ""))), ("Subject", subject),
    ]  # fmt: skip
    names = {
        "From": "sender",
        "To": "recipients",
        "Cc": "cc",
        "Subject": "subject",
        "Date": "created",
    }
    fields = {names[n]: v for n, v in shown if v}
    if subject:
        fields["title"] = subject
    if sender:
        fields["author"] = sender
    yield Metadata(fields)
    blocks = [Block(Kind.MAIL_HEADER, "\n".join(f"{n}: {v}" for n, v in shown if v))]
    body = properties.get(0x1000, "")
    html = _binary(compound, (), 0x1013) or properties.get(0x1013, "").encode()
    if body.strip():
        blocks += plain.paragraphs(decode(body.encode("utf-8", "replace")).text)
    elif html:
        blocks += webpage.whole_page(webpage.decode_page(html).text)[1]
    yield Part(blocks)
    if len(blocks) == 1:
        yield Note("no_body", "the mail has no text of its own that can be read")
    storages = sorted({e.path[0] for e in compound.entries if e.path[0].startswith("__attach")})
    for number, storage in enumerate(storages, 1):
        if number > limits.max_children:
            yield Note(
                "children_left_out",
                f"{len(storages) - limits.max_children} attachments were left out",
            )
            break
        inner = _properties(compound, (storage,))
        content = _binary(compound, (storage,), 0x3701)
        name = inner.get(0x3707) or inner.get(0x3704) or inner.get(0x3001) or f"attachment-{number}"
        if content is None:
            yield Note(
                "attachment_unreadable", f"attachment {name!r} is not a file: it was left out"
            )
        else:
            yield Child(
                " ".join(name.replace("\\", "/").rpartition("/")[2].split())
                or f"attachment-{number}",
                content,
            )


def _properties(compound: Compound, above: tuple[str, ...]) -> dict[int, str]:
    """String properties of a storage by tag."""
    found = {}
    for entry in compound.entries:
        if not entry.is_stream or entry.path[:-1] != above:
            continue
        match = re.fullmatch(r"__substg1\.0_([0-9A-F]{4})(001F|001E)", entry.path[-1], re.I)
        if match:
            data = compound.read(entry)
            wide = match.group(2).upper() == "001F"
            text = data.decode("utf-16-le", "replace") if wide else decode(data).text
            found[int(match.group(1), 16)] = text.rstrip("\0")
    return found


def _binary(compound: Compound, above: tuple[str, ...], tag: int) -> bytes | None:
    entry = compound.find(*above, f"__substg1.0_{tag:04X}0102")
    return None if entry is None or not entry.is_stream else compound.read(entry)


def _header_date(headers: str) -> str:
    found = re.search(r"^Date:\s*(.+)$", headers, re.M | re.I)
    return found.group(1).strip() if found else ""


def _angled(address: str) -> str:
    return f"<{address}>" if "@" in address else ""


def _malformed() -> InvalidInput:
    return InvalidInput(
        "the file is cut off or damaged: open it in its own program, save it anew and add it again",
        code="malformed",
    )
