"""The package that Word, PowerPoint and Excel files share: parts, relationships, properties."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from salient.errors import InvalidInput
from salient.model import Child, Note
from salient.readers import Limits
from salient.readers.safe_xml import Element, local, parse
from salient.readers.zipped import Container

_PROPERTIES = {
    "title": "title",
    "creator": "author",
    "subject": "subject",
    "keywords": "keywords",
    "description": "description",
    "created": "created",
    "modified": "modified",
    "lastModifiedBy": "modified_by",
    "category": "category",
    "language": "language",
}
_DOUBLE_DIGITS = 16
_READABLE = (
    ".docx",
    ".xlsx",
    ".pptx",
    ".pdf",
    ".doc",
    ".xls",
    ".ppt",
    ".txt",
    ".html",
    ".htm",
    ".mht",
    ".rtf",
    ".xlsm",
    ".docm",
    ".pptm",
    ".csv",
    ".xlsb",
)


@dataclass(frozen=True, slots=True)
class Relation:
    """From a part to another: `target` is a member's name, or an address when `external`."""

    kind: str
    target: str
    external: bool


class Package:
    """An open OOXML file.

    Raises from any method: what `Container` raises, and InvalidInput for XML that is damaged.
    """

    def __init__(self, file: Path, limits: Limits) -> None:
        self.container = Container(file, limits)
        self._by_lower = {n.lower().lstrip("/"): n for n in self.container.names()}
        self._limits = limits
        self._damaged: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.container.__exit__(kind, error, trace)

    def has(self, name: str) -> bool:
        """Whether a part exists; names are compared without case, as the standard says."""
        return name.lower() in self._by_lower

    def content(self, name: str) -> bytes:
        """A part's bytes."""
        return self.container.read(self._by_lower.get(name.lower(), name))

    def xml(self, name: str) -> Element:
        """A part's XML; what can be read of it when it is not well-formed."""
        data = self.content(name)
        try:
            return parse(data, f"part {name}")
        except InvalidInput:
            self._damaged.append(name)
            return parse(data, f"part {name}", recover=True)

    def notes(self) -> list[Note]:
        """What could be read only in part, if anything."""
        if not self._damaged:
            return []
        names = ", ".join(dict.fromkeys(self._damaged[:20]))
        return [Note("part_damaged", f"damaged, and read only in part: {names}")]

    def relations(self, part: str) -> dict[str, Relation]:
        """Relationships of a part ("" for the package's own) by id."""
        folder, name = posixpath.split(part)
        rels = posixpath.join(folder, "_rels", name + ".rels")
        if not self.has(rels):
            return {}
        found = {}
        for row in self.xml(rels):
            target = row.get("Target", "")
            external = row.get("TargetMode") == "External"
            if not external:
                target = posixpath.normpath(posixpath.join("/", folder, target)).lstrip("/")
            kind = row.get("Type", "").rpartition("/")[2]
            found[row.get("Id", "")] = Relation(kind, target, external)
        return found

    def main_part(self, usual: str) -> str:
        """The part that holds the document itself.

        Raises:
            InvalidInput: `malformed`, there is none.
        """
        for relation in self.relations("").values():
            if relation.kind == "officeDocument" and self.has(relation.target):
                return relation.target
        if self.has(usual):
            return usual
        raise InvalidInput(
            "the file is damaged: its main part is missing; save it anew and add it again",
            code="malformed",
        )

    def properties(self) -> dict[str, str]:
        """Title, author, dates and the like; empty when there are none."""
        name = next(
            (r.target for r in self.relations("").values() if r.kind == "core-properties"),
            "docProps/core.xml",
        )
        if not self.has(name):
            return {}
        try:
            root = self.xml(name)
        except InvalidInput:
            return {}  # nobody's text is lost with them
        return {
            _PROPERTIES[local(row)]: row.text
            for row in root
            if local(row) in _PROPERTIES and row.text
        }

    def embedded(self) -> list[Child | Note]:
        """Documents that are embedded as files; those in other wrappings are counted in a note."""
        found: list[Child | Note] = []
        n_other = 0
        for name in self.container.names():
            if "/embeddings/" not in f"/{name}" or name.endswith("/"):
                continue
            if name.lower().endswith(_READABLE):
                found.append(Child(posixpath.basename(name), self.container.read(name)))
            else:
                n_other += 1
        if n_other:
            found.append(
                Note("embedded_left_out", f"{n_other} embedded objects could not be taken out")
            )
        return found


def attribute(element: Element, name: str) -> str | None:
    """An attribute by local name: strict and transitional files differ in namespaces only."""
    for key, value in element.attrib.items():
        if str(key).rpartition("}")[2] == name:
            return str(value)
    return None


def child(element: Element | None, name: str) -> Element | None:
    """The first child with a local name."""
    if element is not None:
        for row in element:
            if local(row) == name:
                return row
    return None


def chart_rows(root: Element) -> tuple[str, list[list[str]]]:
    """A chart's title, and its categories and series as rows under a header."""
    title = ""
    columns: list[tuple[str, dict[int, str]]] = []
    categories: dict[int, str] = {}
    for node in root.iter():
        if local(node) == "title" and not title:
            title = "".join(t.text or "" for t in node.iter() if local(t) == "t")
        if local(node) != "ser":
            continue
        name = " ".join(v.text or "" for v in _under(child(node, "tx"), "v")).strip()
        values = _points(child(node, "val"))
        values = values if values else _points(child(node, "yVal"))
        labels = _points(child(node, "cat"))
        labels = labels if labels else _points(child(node, "xVal"))
        categories.update(labels)
        columns.append((name, values))
    if not columns:
        return title, []
    rows = [["", *(name for name, _ in columns)]]
    indexes = sorted(set(categories) | {i for _, v in columns for i in v})[:10_000]
    rows += [[categories.get(i, ""), *(v.get(i, "") for _, v in columns)] for i in indexes]
    return title, rows


def _under(element: Element | None, name: str) -> list[Element]:
    return [] if element is None else [n for n in element.iter() if local(n) == name]


def _points(element: Element | None) -> dict[int, str]:
    found: dict[int, str] = {}
    for point in _under(element, "pt"):
        index = point.get("idx", "")
        value = child(point, "v")
        if index.isdigit() and value is not None and value.text:
            found[int(index)] = _rounded(value.text)
    return found


def _rounded(number: str) -> str:
    """A cached 4.4000000000000004 as the 4.4 that was typed; what is no such number stays."""
    if len(number) <= _DOUBLE_DIGITS or not number.replace(".", "", 1).lstrip("-").isdigit():
        return number
    return f"{float(number):.15g}"
