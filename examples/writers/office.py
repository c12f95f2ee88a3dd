"""Formats of office suites and readers of books; most are archives of XML."""

from __future__ import annotations

import io
import zipfile
from datetime import datetime
from html import escape

from writers.source import Source

# Archives keep a date for each member; one date keeps equal contents equal bytes.
ZIP_DATE = (2023, 1, 1, 0, 0, 0)
XML = '<?xml version="1.0" encoding="UTF-8"?>'


def docx(source: Source) -> bytes:
    import docx as library

    document = library.Document()
    properties = document.core_properties
    properties.title, properties.author = source.title, "Salient examples"
    properties.created = properties.modified = source.naive_date
    document.sections[0].header.paragraphs[0].text = source.head.get("header", source.title)
    document.add_heading(source.title, 0)
    for block in source.blocks:
        if block.kind == "heading":
            document.add_heading(block.text, 1)
        elif block.kind == "table":
            table = document.add_table(len(block.rows), len(block.rows[0]))
            table.style = "Table Grid"
            for r, row in enumerate(block.rows):
                for c, cell in enumerate(row):
                    table.cell(r, c).text = cell
            document.add_paragraph()
        else:
            style = {"item": "List Bullet", "number": "List Number"}.get(block.kind)
            document.add_paragraph(block.text, style=style)
    out = io.BytesIO()
    document.save(out)
    return settled(out.getvalue())


def pptx(source: Source) -> bytes:
    """A slide a section: items on it, a table below them."""
    import pptx as library
    from pptx.util import Inches

    show = library.Presentation()
    properties = show.core_properties
    properties.title, properties.author = source.title, "Salient examples"
    properties.created = properties.modified = source.naive_date
    for title, blocks in source.sections():
        slide = show.slides.add_slide(show.slide_layouts[1])
        slide.shapes.title.text = title
        slide.placeholders[1].text = "\n".join(b.text for b in blocks if b.kind != "table")
        for rows in (b.rows for b in blocks if b.kind == "table"):
            slide.placeholders[1].height = Inches(2)
            frame = slide.shapes.add_table(
                len(rows), len(rows[0]), Inches(0.7), Inches(4), Inches(8.5), Inches(2)
            )
            for r, row in enumerate(rows):
                for c, cell in enumerate(row):
                    frame.table.cell(r, c).text = cell
    out = io.BytesIO()
    show.save(out)
    return settled(out.getvalue())


def xlsx(title: str, sheets: dict[str, list[list[object]]], made: datetime) -> bytes:
    import xlsxwriter

    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True})
    book.set_properties({"title": title, "created": made})
    bold = book.add_format({"bold": True})
    for name, rows in sheets.items():
        sheet = book.add_worksheet(name)
        for n, row in enumerate(rows):
            sheet.write_row(n, 0, row, None if n else bold)
        sheet.set_column(0, len(rows[0]) - 1, 22)
    book.close()
    return settled(out.getvalue())


def odt(source: Source) -> bytes:
    body = [f'<text:h text:outline-level="1">{escape(source.title)}</text:h>']
    for block in source.blocks:
        if block.kind == "heading":
            body.append(f'<text:h text:outline-level="2">{escape(block.text)}</text:h>')
        else:
            body.append(f"<text:p>{escape(block.text)}</text:p>")
    oasis = "urn:oasis:names:tc:opendocument:xmlns"
    spaces = (
        f'xmlns:office="{oasis}:office:1.0" xmlns:text="{oasis}:text:1.0" '
        f'xmlns:meta="{oasis}:meta:1.0" xmlns:dc="http://purl.org/dc/elements/1.1/"'
    )
    content = (
        f'{XML}<office:document-content {spaces} office:version="1.3"><office:body><office:text>'
        f"{''.join(body)}</office:text></office:body></office:document-content>"
    )
    meta = (
        f'{XML}<office:document-meta {spaces} office:version="1.3"><office:meta>'
        f"<dc:title>{escape(source.title)}</dc:title><dc:date>{source.head['date']}T09:00:00</dc:date>"
        "</office:meta></office:document-meta>"
    )
    kind = "application/vnd.oasis.opendocument.text"
    entries = (("/", kind), ("content.xml", "text/xml"), ("meta.xml", "text/xml"))
    listed = "".join(
        f'<manifest:file-entry manifest:full-path="{path}" manifest:media-type="{of}"/>'
        for path, of in entries
    )
    manifest = (
        f'{XML}<manifest:manifest xmlns:manifest="{oasis}:manifest:1.0" manifest:version="1.3">'
        f"{listed}</manifest:manifest>"
    )
    members = {
        "mimetype": kind,
        "content.xml": content,
        "meta.xml": meta,
        "META-INF/manifest.xml": manifest,
    }
    return packed({n: d.encode() for n, d in members.items()}, stored="mimetype")


def epub(source: Source) -> bytes:
    """A chapter a section, with a table of contents."""
    space = 'xmlns="http://www.w3.org/1999/xhtml"'
    chapters = [(t, blocks) for t, blocks in source.sections() if blocks]
    pages: dict[str, str] = {}
    for n, (title, blocks) in enumerate(chapters, 1):
        paragraphs = "\n".join(f"<p>{escape(b.text)}</p>" for b in blocks)
        pages[f"chapter{n}.xhtml"] = (
            f"{XML}<html {space}><head><title>{escape(title)}</title></head>"
            f"<body><h1>{escape(title)}</h1>\n{paragraphs}</body></html>"
        )
    links = "".join(
        f'<li><a href="{page}">{escape(title)}</a></li>'
        for page, (title, _) in zip(pages, chapters, strict=True)
    )
    contents = (
        f'{XML}<html {space} xmlns:epub="http://www.idpf.org/2007/ops"><head><title>Contents</title>'
        f'</head><body><nav epub:type="toc"><ol>{links}</ol></nav></body></html>'
    )
    of = 'media-type="application/xhtml+xml"'
    items = "".join(f'<item id="{p.partition(".")[0]}" href="{p}" {of}/>' for p in pages)
    spine = "".join(f'<itemref idref="{p.partition(".")[0]}"/>' for p in pages)
    package = (
        f'{XML}<package xmlns="http://www.idpf.org/2007/opf" version="3.0" unique-identifier="id">'
        '<metadata xmlns:dc="http://purl.org/dc/elements/1.1/">'
        f'<dc:identifier id="id">{escape(source.head["file"])}</dc:identifier>'
        f"<dc:title>{escape(source.title)}</dc:title>"
        f"<dc:creator>{escape(source.head['author'])}</dc:creator>"
        f"<dc:language>en</dc:language><dc:date>{source.head['date']}</dc:date>"
        f'<meta property="dcterms:modified">{source.head["date"]}T09:00:00Z</meta></metadata>'
        f'<manifest><item id="nav" href="nav.xhtml" properties="nav" {of}/>{items}</manifest>'
        f"<spine>{spine}</spine></package>"
    )
    container = (
        f'{XML}<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container">'
        '<rootfiles><rootfile full-path="OEBPS/content.opf" '
        'media-type="application/oebps-package+xml"/></rootfiles></container>'
    )
    members = {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": container,
        "OEBPS/content.opf": package,
        "OEBPS/nav.xhtml": contents,
        **{f"OEBPS/{name}": page for name, page in pages.items()},
    }
    return packed({n: d.encode() for n, d in members.items()}, stored="mimetype")


def rtf(source: Source) -> bytes:
    def said(text: str) -> str:
        escaped = text.replace("\\", r"\\").replace("{", r"\{").replace("}", r"\}")
        return "".join(c if ord(c) < 128 else f"\\u{ord(c)}?" for c in escaped)

    lines = [r"{\rtf1\ansi\ansicpg1252\deff0{\fonttbl{\f0\froman Times New Roman;}}\f0\fs24"]
    lines.append(rf"{{\b\fs30 {said(source.title)}\par}}\par")
    lines += [rf"{said(block.text)}\par" for block in source.blocks]
    return "\n".join([*lines, "}"]).encode("ascii")


def settled(data: bytes) -> bytes:
    """The same archive with one date on every member."""
    with zipfile.ZipFile(io.BytesIO(data)) as old:
        return packed({name: old.read(name) for name in old.namelist()})


def packed(members: dict[str, bytes], *, stored: str = "") -> bytes:
    """An archive of `members`; the one called `stored` is not compressed."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            member = zipfile.ZipInfo(name, ZIP_DATE)
            member.create_system = 3
            member.compress_type = zipfile.ZIP_STORED if name == stored else zipfile.ZIP_DEFLATED
            member.external_attr = 0o644 << 16
            archive.writestr(member, data)
    return out.getvalue()
