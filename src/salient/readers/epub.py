"""EPUB to a part a chapter, in the order of the spine."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

from salient.errors import InvalidInput, NotFound
from salient.model import Kind, Metadata, Note, Part, Piece
from salient.readers import Limits, webpage
from salient.readers.safe_xml import Element, local, parse
from salient.readers.zipped import Container

VERSION = 1

_META = {
    "title": "title", "creator": "author", "publisher": "publisher", "date": "created", "language": "language",
    "identifier": "identifier", "description": "description", "subject": "keywords", "rights": "rights",
}  # fmt: skip


def read(file: Path, limits: Limits) -> Iterator[Piece]:
    """Read a book: what its spine lists, the navigation page apart."""
    with Container(file, limits) as container:
        names = {n.lower(): n for n in container.names()}
        if "meta-inf/encryption.xml" in names and _is_locked(container, names):
            raise InvalidInput(
                "the book is locked by its seller (DRM): add a copy without the lock",
                code="encrypted",
            )
        package = _package_name(container, names)
        root = parse(container.read(package), "book's list of contents", recover=True)
        yield Metadata(_metadata(root))
        folder = posixpath.dirname(package)
        chapters = list(_spine(root, folder))
        missing = 0
        for number, name in enumerate(chapters, 1):
            if number > limits.max_pages:
                yield Note(
                    "pages_left_out",
                    f"chapters {number}-{len(chapters)} were left out: the limit is {limits.max_pages}",
                )
                break
            try:
                content = container.read(names.get(name.lower(), name))
            except NotFound:
                missing += 1
                continue
            except InvalidInput as exc:
                yield Note("page_unreadable", exc.message)
                continue
            decoded = webpage.decode_page(content)
            yield from decoded.notes()
            page, blocks = webpage.whole_page(decoded.text, xhtml=True)
            label = next((b.text for b in blocks if b.kind == Kind.HEADING), page.title)
            yield Part(blocks, label=label.replace("\n", " ")[:200] or None)
        if missing:
            yield Note("page_unreadable", f"{missing} chapters are listed but missing in the file")


def _is_locked(container: Container, names: dict[str, str]) -> bool:
    """Whether more than fonts is encrypted."""
    root = parse(container.read(names["meta-inf/encryption.xml"]), "encryption list", recover=True)
    for node in root.iter():
        if local(node) == "CipherReference":
            target = node.get("URI", "").lower()
            if target.endswith((".xhtml", ".html", ".htm", ".xml", ".opf")):
                return True
    return False


def _package_name(container: Container, names: dict[str, str]) -> str:
    if "meta-inf/container.xml" in names:
        root = parse(container.read(names["meta-inf/container.xml"]), "book", recover=True)
        for node in root.iter():
            path = node.get("full-path")
            if local(node) == "rootfile" and path and path.lower() in names:
                return names[path.lower()]
    for lower, name in names.items():
        if lower.endswith(".opf"):
            return name
    raise InvalidInput(
        "the book is damaged: its list of contents is missing; get it anew and add it again",
        code="malformed",
    )


def _metadata(root: Element) -> dict[str, str]:
    fields: dict[str, str] = {}
    for node in root.iter():
        if local(node) == "manifest":
            break
        name = _META.get(local(node))
        if name and node.text and node.text.strip():
            text = " ".join(node.text.split())
            many = name in ("author", "keywords") and name in fields
            fields[name] = f"{fields[name]}, {text}" if many else fields.get(name, text)
    return fields


def _spine(root: Element, folder: str) -> Iterator[str]:
    items: dict[str, tuple[str, str, str]] = {}
    for node in root.iter():
        if local(node) == "item":
            href = unquote(node.get("href", "").partition("#")[0])
            items[node.get("id", "")] = (
                posixpath.normpath(posixpath.join(folder, href)),
                node.get("media-type", ""),
                node.get("properties", ""),
            )
    for node in root.iter():
        if local(node) != "itemref" or node.get("idref", "") not in items:
            continue
        name, media_type, properties = items[node.get("idref", "")]
        if "nav" not in properties.split() and "html" in media_type:
            yield name
