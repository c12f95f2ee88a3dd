"""Builds the example corpus from its sources: `python examples/build.py [FOLDER]`.

Equal sources give equal bytes: dates and ids are fixed, archives carry one date.
"""

from __future__ import annotations

import csv
import io
import random
import re
import sys
import zipfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import EmailMessage
from html import escape
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from data import APPROVED, CALLS, PRICES, SUPPLIERS  # noqa: E402

ZIP_DATE = (2023, 1, 1, 0, 0, 0)


@dataclass
class Source:
    """A text with what its head says of it. Blocks are (kind, text or rows)."""

    head: dict[str, str]
    title: str
    blocks: list[tuple[str, object]] = field(default_factory=list)

    @property
    def date(self) -> datetime:
        return datetime.fromisoformat(self.head["date"]).replace(hour=9, tzinfo=UTC)


def read(path: Path) -> Source:
    head: dict[str, str] = {}
    lines = path.read_text(encoding="utf-8").splitlines()
    at = 0
    while match := re.match(r"^([a-z-]+): (.*)$", lines[at]):
        head[match[1]] = match[2]
        at += 1
    source = Source(head, "")
    table: list[list[str]] = []
    for line in lines[at:]:
        if line.startswith("| "):
            table.append([c.strip() for c in line.strip("| ").split("|")])
            continue
        if table:
            source.blocks.append(("table", table))
            table = []
        if line.startswith("# "):
            source.title = line[2:]
        elif line.startswith("## "):
            source.blocks.append(("heading", line[3:]))
        elif line.startswith("- "):
            source.blocks.append(("item", line[2:]))
        elif line.strip():
            source.blocks.append(("paragraph", line))
    return source


def pdf(source: Source) -> bytes:
    from reportlab.lib import colors
    from reportlab.lib.pagesizes import A4
    from reportlab.lib.styles import ParagraphStyle, getSampleStyleSheet
    from reportlab.platypus import BaseDocTemplate, Frame, PageTemplate, Paragraph, Spacer, Table

    out = io.BytesIO()
    columns = int(source.head.get("columns", "1"))
    width, height = A4
    gap, margin = 18, 72
    one = (width - 2 * margin - gap * (columns - 1)) / columns
    frames = [
        Frame(margin + i * (one + gap), margin, one, height - 2 * margin, 0, 0, 0, 0)
        for i in range(columns)
    ]

    def furniture(page, document):
        page.setFont("Helvetica", 8)
        page.drawString(margin, height - 40, source.title)
        page.drawRightString(width - margin, 36, f"Page {document.page}")

    document = BaseDocTemplate(out, pagesize=A4, title=source.title, invariant=True)
    document.addPageTemplates(PageTemplate("page", frames, onPage=furniture))
    styles = getSampleStyleSheet()
    body = ParagraphStyle(
        "body", styles["BodyText"], fontSize=10.5 if columns == 1 else 9.5, leading=14, spaceAfter=6
    )
    flow = [Paragraph(escape(source.title), styles["Title"])]
    for kind, content in source.blocks:
        if kind == "heading":
            flow.append(Paragraph(escape(content), styles["Heading2"]))
        elif kind == "table":
            table = Table(content, repeatRows=1)
            table.setStyle(
                [
                    ("GRID", (0, 0), (-1, -1), 0.5, colors.black),
                    ("FONT", (0, 0), (-1, 0), "Helvetica-Bold", 9),
                    ("FONTSIZE", (0, 1), (-1, -1), 9),
                ]
            )
            flow += [table, Spacer(1, 10)]
        else:
            flow.append(Paragraph(escape(content), body))
    document.build(flow)
    return out.getvalue()


def scan(source: Source) -> bytes:
    """A page as a scanner sees it: a grey picture, a little askew, with noise; no text in it."""
    import pypdfium2
    from PIL import Image
    from reportlab.lib.pagesizes import A4
    from reportlab.lib.utils import ImageReader
    from reportlab.pdfgen import canvas

    out = io.BytesIO()
    sheet = canvas.Canvas(out, pagesize=A4, invariant=True)
    sheet.setTitle("Scan")
    dice = random.Random(1)
    pages = pypdfium2.PdfDocument(pdf(source))
    for page in pages:
        picture = page.render(scale=200 / 72, grayscale=True).to_pil()
        picture = picture.rotate(0.5, Image.Resampling.BICUBIC, fillcolor=250)
        noise = Image.frombytes(
            "L", (256, 256), bytes(dice.randrange(215, 256) for _ in range(65536))
        )
        noise = noise.resize(picture.size, Image.Resampling.BILINEAR)
        picture = Image.blend(picture, noise, 0.12)
        jpeg = io.BytesIO()
        picture.save(jpeg, "JPEG", quality=55)
        jpeg.seek(0)
        sheet.drawImage(ImageReader(jpeg), 0, 0, *A4)
        sheet.showPage()
    sheet.save()
    return out.getvalue()


def docx(source: Source) -> bytes:
    import docx as library

    document = library.Document()
    properties = document.core_properties
    properties.title, properties.author = source.title, "Salient examples"
    properties.created = properties.modified = source.date.replace(tzinfo=None)
    document.add_heading(source.title, 0)
    for kind, content in source.blocks:
        if kind == "heading":
            document.add_heading(content, 1)
        elif kind == "item":
            document.add_paragraph(content, style="List Bullet")
        elif kind == "table":
            table = document.add_table(len(content), len(content[0]))
            table.style = "Table Grid"
            for r, row in enumerate(content):
                for c, cell in enumerate(row):
                    table.cell(r, c).text = cell
        else:
            document.add_paragraph(content)
    out = io.BytesIO()
    document.save(out)
    return settled(out.getvalue())


def pptx(source: Source) -> bytes:
    import pptx as library

    show = library.Presentation()
    show.core_properties.title = source.title
    show.core_properties.created = show.core_properties.modified = source.date.replace(tzinfo=None)
    title, items = source.title, []
    slides = []
    for kind, content in source.blocks:
        if kind == "heading":
            slides.append((title, items))
            title, items = content, []
        else:
            items.append(content)
    slides.append((title, items))
    for title, items in slides:
        slide = show.slides.add_slide(show.slide_layouts[1])
        slide.shapes.title.text = title
        slide.placeholders[1].text = "\n".join(items)
    out = io.BytesIO()
    show.save(out)
    return settled(out.getvalue())


def settled(data: bytes) -> bytes:
    """The same archive with one date on every member."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(data)) as old,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            member = zipfile.ZipInfo(name, ZIP_DATE)
            member.compress_type = zipfile.ZIP_DEFLATED
            member.external_attr = 0o644 << 16
            new.writestr(member, old.read(name))
    return out.getvalue()


def packed(members: list[tuple[str, bytes]], *, first_plain: bool = False) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for n, (name, data) in enumerate(members):
            member = zipfile.ZipInfo(name, ZIP_DATE)
            plain = first_plain and n == 0
            member.compress_type = zipfile.ZIP_STORED if plain else zipfile.ZIP_DEFLATED
            archive.writestr(member, data)
    return out.getvalue()


def html(source: Source) -> bytes:
    site = source.head.get("site", "News")
    body = []
    for kind, content in source.blocks:
        tag = {"heading": "h2", "item": "li"}.get(kind, "p")
        body.append(f"<{tag}>{escape(content)}</{tag}>")
    nav = "".join(
        f'<li><a href="/{n.lower()}">{n}</a></li>'
        for n in ("Home", "Markets", "Shipping", "Energy", "Opinion", "Jobs")
    )
    related = "".join(
        f'<li><a href="/story/{n}">{t}</a></li>'
        for n, t in enumerate(
            (
                "Grain prices fall for a third week",
                "Harbour cranes get remote control",
                "Ten cafés to try by the quay",
            )
        )
    )
    page = f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{escape(source.title)} | {escape(site)}</title>
<meta name="author" content="{escape(source.head.get("author", ""))}">
<meta property="article:published_time" content="{source.head["date"]}T09:00:00Z">
<meta property="og:site_name" content="{escape(site)}">
<style>body {{ font-family: serif }} .ad {{ border: 1px solid }}</style>
<script>window.tracking = {{ page: "article" }};</script></head>
<body>
<div class="cookie-banner" role="dialog">We use cookies to improve your visit. <button>Accept all</button> <button>Settings</button></div>
<header><a href="/">{escape(site)}</a><nav><ul>{nav}</ul></nav><form><input placeholder="Search"></form></header>
<main><article><h1>{escape(source.title)}</h1>
<p class="byline">By <span class="author">{escape(source.head.get("author", ""))}</span>, <time datetime="{source.head["date"]}">{source.date:%d %B %Y}</time></p>
{chr(10).join(body[: len(body) // 2])}
<aside class="ad">Advertisement: winter tyres at half price, this week only</aside>
{chr(10).join(body[len(body) // 2 :])}
</article>
<section class="related"><h3>Related stories</h3><ul>{related}</ul></section></main>
<aside class="newsletter"><h3>Get our newsletter</h3><p>The news of the week in your inbox every Friday.</p></aside>
<footer><p>© {source.date:%Y} {escape(site)}. All rights reserved. <a href="/privacy">Privacy</a> <a href="/imprint">Imprint</a></p></footer>
</body></html>
"""
    return page.encode()


def eml(source: Source, attachments: list[tuple[str, str, bytes]]) -> bytes:
    message = EmailMessage()
    message["From"], message["To"] = source.head["from"], source.head["to"]
    message["Subject"] = source.head["subject"]
    message["Date"] = source.date.strftime("%a, %d %b %Y %H:%M:%S +0000")
    message["Message-ID"] = f"<{source.head['date']}.{len(source.blocks)}@example>"
    lines = [content for _, content in source.blocks]
    message.set_content("\n\n".join(lines) + "\n")
    if source.head.get("html") == "yes":
        shown = "".join(f"<p>{escape(line)}</p>" for line in lines)
        message.add_alternative(f"<html><body>{shown}</body></html>", subtype="html")
    for name, kind, data in attachments:
        main, _, sub = kind.partition("/")
        message.add_attachment(data, maintype=main, subtype=sub, filename=name)
    boundary = iter(range(100))
    for part in message.walk():
        if part.is_multipart():
            part.set_boundary(f"=part-{next(boundary)}-of-the-example=")
    return message.as_bytes()


def odt(source: Source) -> bytes:
    body = [f'<text:h text:outline-level="1">{escape(source.title)}</text:h>']
    for kind, content in source.blocks:
        if kind == "heading":
            body.append(f'<text:h text:outline-level="2">{escape(content)}</text:h>')
        else:
            body.append(f"<text:p>{escape(content)}</text:p>")
    spaces = (
        'xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" '
        'xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0" '
        'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:meta="urn:oasis:names:tc:opendocument:xmlns:meta:1.0"'
    )
    content = (
        f'<?xml version="1.0" encoding="UTF-8"?><office:document-content {spaces} office:version="1.3"><office:body>'
        f"<office:text>{''.join(body)}</office:text></office:body></office:document-content>"
    )
    meta = (
        f'<?xml version="1.0" encoding="UTF-8"?><office:document-meta {spaces} office:version="1.3"><office:meta>'
        f"<dc:title>{escape(source.title)}</dc:title><dc:date>{source.head['date']}T09:00:00</dc:date>"
        "</office:meta></office:document-meta>"
    )
    kind = "application/vnd.oasis.opendocument.text"
    manifest = (
        '<?xml version="1.0" encoding="UTF-8"?><manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0">'
        f'<manifest:file-entry manifest:full-path="/" manifest:media-type="{kind}"/>'
        '<manifest:file-entry manifest:full-path="content.xml" manifest:media-type="text/xml"/></manifest:manifest>'
    )
    members = [
        ("mimetype", kind),
        ("content.xml", content),
        ("meta.xml", meta),
        ("META-INF/manifest.xml", manifest),
    ]
    return packed([(n, d.encode()) for n, d in members], first_plain=True)


def epub(source: Source) -> bytes:
    chapters: list[tuple[str, list[str]]] = []
    for kind, content in source.blocks:
        if kind == "heading":
            chapters.append((content, []))
        else:
            chapters[-1][1].append(content)
    pages = [
        (
            f"OEBPS/chapter{n}.xhtml",
            f'<?xml version="1.0" encoding="UTF-8"?><html xmlns="http://www.w3.org/1999/xhtml"><head><title>{escape(t)}</title></head>'
            f"<body><h1>{escape(t)}</h1>{''.join(f'<p>{escape(p)}</p>' for p in ps)}</body></html>",
        )
        for n, (t, ps) in enumerate(chapters, 1)
    ]
    items = "".join(
        f'<item id="c{n}" href="chapter{n}.xhtml" media-type="application/xhtml+xml"/>'
        for n in range(1, len(pages) + 1)
    )
    spine = "".join(f'<itemref idref="c{n}"/>' for n in range(1, len(pages) + 1))
    package = (
        '<?xml version="1.0" encoding="UTF-8"?><package xmlns="http://www.idpf.org/2007/opf" version="3.0" unique-identifier="id">'
        '<metadata xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:identifier id="id">osprey-history</dc:identifier>'
        f"<dc:title>{escape(source.title)}</dc:title><dc:creator>{escape(source.head['author'])}</dc:creator>"
        f"<dc:language>en</dc:language><dc:date>{source.head['date']}</dc:date></metadata>"
        f"<manifest>{items}</manifest><spine>{spine}</spine></package>"
    )
    container = (
        '<?xml version="1.0"?><container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
        '<rootfile full-path="OEBPS/content.opf" media-type="application/oebps-package+xml"/></rootfiles></container>'
    )
    members = [
        ("mimetype", "application/epub+zip"),
        ("META-INF/container.xml", container),
        ("OEBPS/content.opf", package),
        *pages,
    ]
    return packed([(n, d.encode()) for n, d in members], first_plain=True)


def plain(source: Source) -> bytes:
    lines = [source.title, ""]
    for kind, content in source.blocks:
        lines += ["", content.upper(), ""] if kind == "heading" else [content, ""]
    return "\n".join(lines).encode()


def markdown(source: Source) -> bytes:
    lines = [f"# {source.title}", ""]
    last = ""
    for kind, content in source.blocks:
        if last == "item" and kind != "item":
            lines.append("")
        lines += {"heading": [f"## {content}", ""], "item": [f"- {content}"]}.get(
            kind, [content, ""]
        )
        last = kind
    return "\n".join(lines).encode()


def table(rows: list[list[object]]) -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out).writerows(rows)
    return out.getvalue().encode()


def xlsx() -> bytes:
    import xlsxwriter

    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True})
    made = datetime.fromisoformat("2023-01-12")
    book.set_properties({"title": "Halden Maritime suppliers 2022", "created": made})
    for name, rows in (("Suppliers", SUPPLIERS), ("Prices", PRICES)):
        sheet = book.add_worksheet(name)
        for n, row in enumerate(rows):
            sheet.write_row(n, 0, row)
    book.close()
    return settled(out.getvalue())


WRITERS = {
    ".docx": docx, ".pptx": pptx, ".html": html, ".odt": odt, ".epub": epub, ".txt": plain, ".md": markdown,
}  # fmt: skip


def build() -> dict[str, bytes]:
    """Every file of the corpus by name."""
    sources = [read(p) for p in sorted((HERE / "sources").glob("*.md"))]
    files: dict[str, bytes] = {}
    attached: dict[str, list[tuple[str, str, bytes]]] = {
        "mail/northgate-supplier-list.eml": [
            ("approved-suppliers.csv", "text/csv", table(APPROVED))
        ]
    }
    inside: dict[str, list[tuple[str, bytes]]] = {}
    for source in sources:
        if parent := source.head.get("attachment-of"):
            attached.setdefault(parent, []).append(
                (source.head["name"], "application/pdf", pdf(source))
            )
    for source in sources:
        name = source.head.get("file", "")
        if "!" in name:
            archive, _, member = name.partition("!")
            inside.setdefault(archive, []).append((member, plain(source)))
        elif name.endswith(".eml"):
            files[name] = eml(source, attached.get(name, []))
        elif name.endswith(".pdf"):
            files[name] = scan(source) if source.head.get("scan") == "yes" else pdf(source)
        elif name:
            files[name] = WRITERS[Path(name).suffix](source)
    files |= {name: packed(members) for name, members in inside.items()}
    files["tables/halden-suppliers.xlsx"] = xlsx()
    files["tables/bergen-port-calls.csv"] = table(CALLS)
    # The same bytes twice, and the same story on another site: both are common, and neither counts twice.
    files["news/copy-of-halden-buys-volta-cell.html"] = files["news/halden-buys-volta-cell.html"]
    story = read(HERE / "sources" / "n1.md")
    story.head["site"] = "Energy Wire"
    story.blocks = story.blocks[:-2]
    files["news/energy-wire-halden-volta.html"] = html(story)
    return files


def main() -> None:
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "corpus"
    for name, data in build().items():
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


if __name__ == "__main__":
    main()
