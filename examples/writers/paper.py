"""PDF with a text layer, and PDF as a scanner makes it."""

from __future__ import annotations

import io
import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from unittest import mock

from writers.source import Source

FONTS = {
    "times": ("Times-Roman", "Times-Bold"),
    "helvetica": ("Helvetica", "Helvetica-Bold"),
}
SCAN_DPI = 200
# Degrees by which each page lies askew.
SKEW = (0.5, -0.4)


def pdf(source: Source) -> bytes:
    """One or two columns (`columns`), A4 or letter (`paper`), a running head and a foot."""
    from reportlab.lib import colors
    from reportlab.lib.enums import TA_JUSTIFY
    from reportlab.lib.pagesizes import A4, letter
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.platypus import BaseDocTemplate, Frame, PageTemplate, Paragraph, Spacer, Table

    head = source.head
    columns = int(head.get("columns", "1"))
    regular, bold = FONTS[head.get("font", "helvetica")]
    size = float(head.get("size", "10.5" if columns == 1 else "9.5"))
    width, height = letter if head.get("paper") == "letter" else A4
    gap, margin = 20, 72 if columns == 1 else 60
    one = (width - 2 * margin - gap * (columns - 1)) / columns
    frames = [
        Frame(margin + i * (one + gap), margin, one, height - 2 * margin, 0, 0, 0, 0)
        for i in range(columns)
    ]

    def furniture(page, document):
        page.setFont(regular, 8)
        page.drawString(margin, height - 44, head.get("header", source.title))
        page.line(margin, height - 50, width - margin, height - 50)
        page.drawString(margin, 40, head.get("footer", ""))
        page.drawRightString(width - margin, 40, f"Page {document.page}")

    body = ParagraphStyle(
        "body", fontName=regular, fontSize=size, leading=size * 1.35, spaceAfter=size * 0.6
    )
    indented = ParagraphStyle("indented", body, leftIndent=14, bulletIndent=2)
    heading = ParagraphStyle(
        "heading", body, fontName=bold, fontSize=size + 1.5, spaceBefore=size * 0.8, keepWithNext=1
    )
    if columns > 1:
        body.alignment = TA_JUSTIFY
    title = ParagraphStyle("title", heading, fontSize=17, leading=21, spaceAfter=16)
    cell = ParagraphStyle("cell", body, fontSize=size - 1, leading=size * 1.2, spaceAfter=0)
    top = ParagraphStyle("top", cell, fontName=bold)

    flow = [Paragraph(escape(source.title), title)]
    for block in source.blocks:
        if block.kind == "table":
            rows = [
                [Paragraph(escape(c), cell if n else top) for c in row]
                for n, row in enumerate(block.rows)
            ]
            table = Table(rows, colWidths=[one / len(rows[0])] * len(rows[0]), repeatRows=1)
            table.setStyle(
                [
                    ("GRID", (0, 0), (-1, -1), 0.5, colors.black),
                    ("VALIGN", (0, 0), (-1, -1), "TOP"),
                ]
            )
            flow += [Spacer(1, 4), table, Spacer(1, 10)]
        elif block.kind == "heading":
            flow.append(Paragraph(escape(block.text), heading))
        elif block.kind == "item":
            flow.append(Paragraph(escape(block.text), indented, bulletText="\u2022"))
        else:
            flow.append(Paragraph(escape(block.text), body))
    out = io.BytesIO()
    document = BaseDocTemplate(out, pagesize=(width, height), title=source.title, invariant=True)
    document.addPageTemplates(PageTemplate("page", frames, onPage=furniture))
    with dated(source):
        document.build(flow)
    return out.getvalue()


@contextmanager
def dated(source: Source) -> Iterator[None]:
    """PDFs begun in the block bear the source's date, not the day on which they are made."""
    # The library has no other way in.
    with mock.patch.dict(os.environ, SOURCE_DATE_EPOCH=str(int(source.date.timestamp()))):
        yield


def scan(source: Source) -> bytes:
    """Pages as a scanner sees them: grey pictures, a little askew, with noise; no text in them."""
    import pypdfium2
    from PIL import Image
    from reportlab.lib.pagesizes import A4
    from reportlab.lib.utils import ImageReader
    from reportlab.pdfgen import canvas

    out = io.BytesIO()
    with dated(source):
        sheet = canvas.Canvas(out, pagesize=A4, invariant=True)
    sheet.setTitle("Scan")
    dice = random.Random(1)
    pages = pypdfium2.PdfDocument(pdf(source))
    for page, skew in zip(pages, SKEW, strict=True):
        picture = page.render(scale=SCAN_DPI / 72, grayscale=True).to_pil().convert("L")
        picture = picture.rotate(skew, Image.Resampling.BICUBIC, fillcolor=255)
        grain = Image.frombytes("L", (512, 512), dice.randbytes(512 * 512))
        picture = Image.blend(picture, grain.resize(picture.size, Image.Resampling.BILINEAR), 0.06)
        jpeg = io.BytesIO()
        picture.save(jpeg, "JPEG", quality=36)
        jpeg.seek(0)
        sheet.drawImage(ImageReader(jpeg), 0, 0, *A4)
        sheet.showPage()
    sheet.save()
    return out.getvalue()
