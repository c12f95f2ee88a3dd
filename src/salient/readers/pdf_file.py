"""The PDF file around its pages: opening and mending, metadata, outline, attachments, form fields."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from salient.errors import InvalidInput
from salient.model import Child, Note
from salient.readers.pdf_words import Placement

_MAX_OUTLINE = 5000
_MAX_ANNOTATIONS = 5000
_DATE = re.compile(r"^(?:D:)?(\d{4})(\d{2})?(\d{2})?(\d{2})?(\d{2})?(\d{2})?")
_FIELDS = {
    "Title": "title",
    "Author": "author",
    "Subject": "subject",
    "Keywords": "keywords",
    "Creator": "program",
    "Producer": "producer",
    "CreationDate": "created",
    "ModDate": "modified",
}


def open_pdf(file: Path) -> pdfium.PdfDocument:
    """Open; PDFium mends a damaged table of contents by itself.

    Raises:
        InvalidInput: `encrypted`, `truncated`, `malformed`.
    """
    try:
        document = pdfium.PdfDocument(file)
    except pdfium.PdfiumError as exc:
        if exc.err_code == pdfium_c.FPDF_ERR_PASSWORD:
            raise InvalidInput(
                "the PDF is protected by a password: remove the password and add it again",
                code="encrypted",
            ) from exc
        raise _unreadable(file) from exc
    if len(document) == 0:
        document.close()
        raise _unreadable(file)
    return document


def _unreadable(file: Path) -> InvalidInput:
    with file.open("rb") as opened:
        opened.seek(max(0, file.stat().st_size - 2048))
        end = opened.read()
    if b"%%EOF" not in end:
        return InvalidInput(
            "the PDF ends in the middle: copy or download it again and add it again",
            code="truncated",
        )
    return InvalidInput(
        "the PDF is damaged and has no readable page: save it anew and add it again",
        code="malformed",
    )


def salvaged(file: Path) -> list[str]:
    """Page texts of a file that PDFium refuses, by a second library that forgives other damage.

    No boxes and no order of columns come with them. Empty where it finds nothing either. It returns
    empty text for a protected file without a word: ask `open_pdf` first.
    """
    import pdf_oxide

    try:
        second = pdf_oxide.PdfDocument(str(file))
        pages = [second.extract_text(index) for index in range(min(second.page_count(), 5000))]
    except (OSError, ValueError, RuntimeError):
        return []
    return pages if any(page.strip() for page in pages) else []


def metadata(document: pdfium.PdfDocument) -> dict[str, str]:
    """What the file says of itself, and `pages`, the number it has."""
    found: dict[str, str] = {"pages": str(len(document))}
    for key, value in document.get_metadata_dict(skip_empty=True).items():
        name = _FIELDS.get(key)
        cleaned = " ".join(str(value).replace("\x00", "").split())
        if name is None or not cleaned:
            continue
        found[name] = _iso(cleaned) if key.endswith("Date") else cleaned[:2000]
    return found


def _iso(value: str) -> str:
    match = _DATE.match(value)
    if match is None:
        return value[:40]
    year, month, day, hour, minute, second = match.groups()
    date = f"{year}-{month or '01'}-{day or '01'}"
    return f"{date}T{hour}:{minute or '00'}:{second or '00'}" if hour else date


def outline(document: pdfium.PdfDocument) -> list[tuple[int, str]]:
    """Bookmarks in order: (level from 1, title)."""
    found: list[tuple[int, str]] = []
    try:
        for item in document.get_toc(max_depth=8):
            title = " ".join((item.get_title() or "").split())
            if title:
                found.append((item.level + 1, title))
            if len(found) >= _MAX_OUTLINE:
                break
    except pdfium.PdfiumError:  # a broken outline is no reason to lose the pages
        return found
    return found


def attachments(document: pdfium.PdfDocument, max_bytes: int) -> Iterator[Child | Note]:
    """Files embedded in the document."""
    for index in range(min(document.count_attachments(), 10_000)):
        try:
            attachment = document.get_attachment(index)
            name = attachment.get_name() or f"attachment {index + 1}"
            content = bytes(attachment.get_data())
        except pdfium.PdfiumError:
            yield Note("attachment_left_out", f"attachment {index + 1} is damaged and was left out")
            continue
        if len(content) > max_bytes:
            yield Note(
                "attachment_left_out",
                f"attachment {name} was left out: it has {len(content):,} bytes, "
                f"the limit is {max_bytes:,}",
            )
            continue
        yield Child(name, content)


@dataclass(frozen=True, slots=True)
class Field:
    """A filled form field, or a comment written onto the page."""

    name: str
    value: str
    box: tuple[float, float, float, float]
    """Points of the displayed page, origin top left."""
    is_form: bool


class Fields:
    """Form fields and written comments, by page."""

    def __init__(self, document: pdfium.PdfDocument) -> None:
        self._form: Any = None
        if document.get_formtype() != pdfium_c.FORMTYPE_NONE:
            document.init_forms()
            self._form = document.formenv

    def of(self, page: pdfium.PdfPage) -> list[Field]:
        """What people filled in on a page, top to bottom."""
        raw = page.raw
        n = min(pdfium_c.FPDFPage_GetAnnotCount(raw), _MAX_ANNOTATIONS)
        if n <= 0:
            return []
        place = Placement(page)
        found: list[Field] = []
        for index in range(n):
            annotation = pdfium_c.FPDFPage_GetAnnot(raw, index)
            if not annotation:
                continue
            try:
                field = self._field(annotation, place)
            finally:
                pdfium_c.FPDFPage_CloseAnnot(annotation)
            if field is not None:
                found.append(field)
        return sorted(found, key=lambda f: (round(f.box[1] / 4), f.box[0]))

    def _field(self, annotation: Any, place: Placement) -> Field | None:
        kind = pdfium_c.FPDFAnnot_GetSubtype(annotation)
        if kind == pdfium_c.FPDF_ANNOT_WIDGET and self._form is not None:
            name, value = self._widget(annotation)
        elif kind in (pdfium_c.FPDF_ANNOT_FREETEXT, pdfium_c.FPDF_ANNOT_TEXT):
            name, value = "", _string(annotation, b"Contents")
        else:
            return None
        value = " ".join(value.split())
        if not value:
            return None
        rect = pdfium_c.FS_RECTF()
        pdfium_c.FPDFAnnot_GetRect(annotation, ctypes.byref(rect))
        box = place((rect.left, rect.bottom, rect.right, rect.top))
        return Field(name, value, box, kind == pdfium_c.FPDF_ANNOT_WIDGET)

    def _widget(self, annotation: Any) -> tuple[str, str]:
        form = self._form.raw
        kind = pdfium_c.FPDFAnnot_GetFormFieldType(form, annotation)
        name = _wide(pdfium_c.FPDFAnnot_GetFormFieldAlternateName, form, annotation) or _wide(
            pdfium_c.FPDFAnnot_GetFormFieldName, form, annotation
        )
        if kind in (pdfium_c.FPDF_FORMFIELD_CHECKBOX, pdfium_c.FPDF_FORMFIELD_RADIOBUTTON):
            if not pdfium_c.FPDFAnnot_IsChecked(form, annotation):
                return name, ""
            exported = _wide(pdfium_c.FPDFAnnot_GetFormFieldExportValue, form, annotation)
            return name, "yes" if exported in ("", "On", "Yes", "1") else exported
        if kind in (pdfium_c.FPDF_FORMFIELD_PUSHBUTTON, pdfium_c.FPDF_FORMFIELD_SIGNATURE):
            return name, ""
        return name, _wide(pdfium_c.FPDFAnnot_GetFormFieldValue, form, annotation)


def _wide(call: Any, *arguments: Any) -> str:
    """A UTF-16 string through PDFium's two calls: how long, then what."""
    size = call(*arguments, None, 0)
    if not 2 < size <= 1 << 20:
        return ""
    buffer = ctypes.create_string_buffer(size)
    call(*arguments, ctypes.cast(buffer, ctypes.POINTER(ctypes.c_ushort)), size)
    return buffer.raw[: size - 2].decode("utf-16-le", "replace")


def _string(annotation: Any, key: bytes) -> str:
    return _wide(pdfium_c.FPDFAnnot_GetStringValue, annotation, key)
