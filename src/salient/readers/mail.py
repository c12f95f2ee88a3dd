"""Mail to text: a block of headers, the best body, attachments as children. Mailboxes mail by mail."""

from __future__ import annotations

import email
import re
from collections.abc import Iterator
from email import policy
from email.header import decode_header
from email.message import EmailMessage, Message
from email.utils import parsedate_to_datetime
from pathlib import Path

from salient.errors import InvalidInput
from salient.model import Block, Child, Kind, Metadata, Note, Part, Piece
from salient.readers import Limits, plain, webpage
from salient.readers.decoding import decode

VERSION = 1

_SHOWN = ("From", "Sender", "Reply-To", "To", "Cc", "Bcc", "Date", "Subject")
_FIELDS = {
    "from": "sender", "to": "recipients", "cc": "cc", "subject": "subject",
    "message-id": "message_id", "in-reply-to": "in_reply_to", "references": "references",
}  # fmt: skip
_MBOX_START = re.compile(rb"^From .+\d{4}[^\n]*\n(?=[!-9;-~]+:)", re.M)
_QUOTED = re.compile(r"[ \t]*>")
_MAX_PARTS = 2000


def read(file: Path, limits: Limits) -> Iterator[Piece]:
    """Read one mail. Headers and charsets that are broken are read as far as they can be.

    A mail without a body is done with a note `no_body`.
    """
    content = file.read_bytes()
    if not content.strip():
        raise InvalidInput("the file holds no mail: there is nothing to add", code="empty")
    yield from message_pieces(_parsed(content), limits)


def read_mailbox(file: Path, limits: Limits) -> Iterator[Piece]:
    """Read an mbox file: each mail is a child."""
    content = file.read_bytes()
    starts = [m.start() for m in _MBOX_START.finditer(content)]
    for number, (start, end) in enumerate(zip(starts, [*starts[1:], len(content)], strict=True), 1):
        if number > limits.max_children:
            yield Note(
                "children_left_out",
                f"{len(starts) - limits.max_children} mails were left out: the limit is {limits.max_children}",
            )
            return
        message = content[start:end].split(b"\n", 1)[1]
        yield Child(f"{number:05d}.eml", re.sub(rb"^>(>*From )", rb"\1", message, flags=re.M))


def _parsed(content: bytes) -> EmailMessage:
    # The mark of UTF-8 before the first header would make it no header.
    content = content.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n")
    message = email.message_from_bytes(content, policy=policy.default)
    if not isinstance(message, EmailMessage):
        raise InvalidInput("the mail cannot be taken apart", code="malformed")
    return message


def message_pieces(message: EmailMessage, limits: Limits) -> Iterator[Piece]:
    """Pieces of a parsed mail."""
    headers = {name.lower(): header(message, name) for name in (*_SHOWN, *_FIELDS)}
    fields = {_FIELDS[n]: v for n, v in headers.items() if n in _FIELDS and v}
    if headers["subject"]:
        fields["title"] = headers["subject"]
    if headers["from"]:
        fields["author"] = headers["from"]
    created = _date(headers["date"])
    if created:
        fields["created"] = created
    yield Metadata(fields)
    shown = [f"{name}: {headers[name.lower()]}" for name in _SHOWN if headers[name.lower()]]
    blocks = [Block(Kind.MAIL_HEADER, "\n".join(shown))] if shown else []
    bodies, attached, n_inline = _sorted_parts(message)
    notes: list[Note] = []
    for part in bodies:
        found, more = _body(part)
        blocks += found
        notes += more
    has_body = any(b.kind != Kind.MAIL_HEADER and b.text.strip() for b in blocks)
    yield Part(blocks)
    yield from notes
    if not has_body:
        yield Note("no_body", "the mail has no text of its own")
    if n_inline:
        yield Note("images_left_out", f"{n_inline} pictures inside the text were not read")
    for number, part in enumerate(attached, 1):
        if number > limits.max_children:
            yield Note(
                "children_left_out",
                f"{len(attached) - limits.max_children} attachments were left out: "
                f"the limit is {limits.max_children}",
            )
            return
        content = _payload(part)
        if content is None:
            yield Note("attachment_unreadable", f"attachment {number} cannot be decoded")
        else:
            yield Child(_name(part, number), content)


def header(message: Message, name: str) -> str:
    """A header decoded on one line, empty when absent; broken ones as they stand."""
    try:
        value = message.get(name)
        text = "" if value is None else str(value)
    except (ValueError, IndexError, AttributeError, KeyError, TypeError, LookupError):
        # The parser of structured headers fails on some that only look structured.
        text = next((str(v) for n, v in message.raw_items() if n.lower() == name.lower()), "")
        text = _decoded_words(text)
    if any("\udc80" <= c <= "\udcff" for c in text):
        text = decode(text.encode("utf-8", "surrogateescape")).text
    elif "\ufffd" in text:
        raw = next((v for n, v in message.raw_items() if n.lower() == name.lower()), "")
        text = decode(str(raw).encode("utf-8", "surrogateescape")).text
    return " ".join(text.split())


def _decoded_words(text: str) -> str:
    try:
        return "".join(
            decode(part, charset).text if isinstance(part, bytes) else part
            for part, charset in decode_header(text)
        )
    except (ValueError, LookupError):
        return text


def _date(text: str) -> str:
    try:
        return parsedate_to_datetime(text).isoformat()
    except (ValueError, TypeError, IndexError, OverflowError):
        return text


def _sorted_parts(message: EmailMessage) -> tuple[list[Message], list[Message], int]:
    """Parts that make the body, attachments, and the number of pictures set in the text."""
    bodies: list[Message] = []
    attached: list[Message] = []
    n_inline = 0
    todo: list[tuple[Message, bool]] = [(message, False)]
    seen = 0
    while todo:
        part, related = todo.pop()
        seen += 1
        if seen > _MAX_PARTS:
            break
        kind = part.get_content_type()
        if part.is_multipart() and kind.startswith("multipart/"):
            children = [c for c in part.get_payload() if isinstance(c, Message)]
            if kind == "multipart/alternative":
                chosen = _best(children)
                todo += [(chosen, related)] if chosen is not None else []
                # Alternatives that are no text (a calendar entry) are attachments.
                todo += [
                    (c, False) for c in children
                    if c is not chosen and c.get_content_maintype() not in ("text", "multipart")
                ]  # fmt: skip
            else:
                inner = related or kind == "multipart/related"
                todo += [(c, inner) for c in reversed(children)]
            continue
        if kind.startswith("multipart/"):
            bodies.append(part)  # its boundary is missing: what follows is text after all
            continue
        attachment = _is_attachment(part)
        if kind in ("text/plain", "text/html") and not attachment:
            bodies.append(part)
        elif (
            part.get_content_maintype() == "image"
            and not attachment
            and (related or part.get("Content-ID"))
        ):
            n_inline += 1
        elif kind.startswith(
            (
                "application/pgp-signature",
                "application/pkcs7-signature",
                "application/x-pkcs7-signature",
            )
        ):
            continue
        else:
            attached.append(part)
    return bodies, attached, n_inline


def _is_attachment(part: Message) -> bool:
    try:
        disposition = part.get_content_disposition()
        named = bool(part.get_filename())
    except (ValueError, IndexError, AttributeError, KeyError, TypeError, LookupError):
        return "attachment" in str(part.get("Content-Disposition", "")).lower()
    return (
        disposition == "attachment"
        or (
            named
            and part.get_content_type() != "text/plain"
            and disposition is not None
            and part.get_content_maintype() != "image"
        )
        or (named and part.get_content_type() == "text/plain")
    )


def _best(parts: list[Message]) -> Message | None:
    """The alternative that holds most: rich text for its structure, unless it is empty."""
    rich = next((p for p in reversed(parts) if p.get_content_type() == "text/html"), None)
    plain_part = next((p for p in parts if p.get_content_type() == "text/plain"), None)
    multi = next((p for p in reversed(parts) if p.is_multipart()), None)
    if multi is not None:
        return multi
    if rich is not None and plain_part is not None:
        words = _payload(rich) or b""
        return rich if len(re.sub(rb"<[^>]*>", b"", words).strip()) > 0 else plain_part
    if rich is not None:
        return rich
    return plain_part if plain_part is not None else (parts[-1] if parts else None)


def _payload(part: Message) -> bytes | None:
    if part.get_content_type() == "message/rfc822":
        inner = part.get_payload()
        if isinstance(inner, list) and inner and isinstance(inner[0], Message):
            return inner[0].as_bytes(policy=policy.compat32)
    try:
        content = part.get_payload(decode=True)
    except (ValueError, LookupError, AssertionError):
        return None
    return content if isinstance(content, bytes) else None


def _body(part: Message) -> tuple[list[Block], list[Note]]:
    content = _payload(part) or b""
    try:
        charset = part.get_content_charset()
    except (ValueError, LookupError, AttributeError, TypeError):
        charset = None
    if part.get_content_type() == "text/html":
        decoded = decode(content, charset) if charset else webpage.decode_page(content)
        return webpage.whole_page(decoded.text)[1], list(decoded.notes())
    decoded = decode(content, charset)
    return list(_quoted_apart(decoded.text)), list(decoded.notes())


def _quoted_apart(text: str) -> Iterator[Block]:
    """Paragraphs, with the lines that quote an earlier mail as quotes of their own."""
    group: list[str] = []
    quoting = False
    for line in [*text.split("\n"), None]:
        now = line is not None and bool(_QUOTED.match(line))
        if line is None or (now != quoting and (line.strip() or not quoting)):
            if group:
                yield from _stretch(group, quoting=quoting)
            group = []
            quoting = now
        if line is not None:
            group.append(line)


def _stretch(lines: list[str], *, quoting: bool) -> Iterator[Block]:
    if not quoting:
        yield from plain.paragraphs("\n".join(lines))
        return
    bare = "\n".join(re.sub(r"^[ \t]*(?:>[ \t]?)+", "", line) for line in lines)
    for block in plain.paragraphs(bare):
        yield Block(Kind.QUOTE, block.text)


def _name(part: Message, number: int) -> str:
    try:
        name = part.get_filename() or ""
    except (ValueError, IndexError, AttributeError, KeyError, TypeError, LookupError):
        name = ""
    name = _decoded_words(name) if "=?" in name else name
    name = " ".join(name.replace("\\", "/").rpartition("/")[2].split())
    if name.strip("."):
        return name[:200]
    endings = {
        "message/rfc822": ".eml",
        "text/html": ".html",
        "text/plain": ".txt",
        "application/pdf": ".pdf",
        "text/calendar": ".ics",
    }
    return f"attachment-{number}{endings.get(part.get_content_type(), '')}"
