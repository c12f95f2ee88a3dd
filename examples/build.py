"""Builds the example corpus from its sources: `python examples/build.py [FOLDER]`.

Equal sources give equal bytes: dates and ids are fixed, archives carry one date.
"""

from __future__ import annotations

import csv
import io
import sys
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from html import escape
from pathlib import Path

from data import APPROVED, CALLS, PRICES, SUPPLIERS
from writers.office import docx, epub, odt, packed, pptx, rtf, xlsx
from writers.pages import html
from writers.paper import pdf, scan
from writers.source import Source, read

HERE = Path(__file__).resolve().parent

Attachment = tuple[str, str, bytes]

COPIED = "news/halden-buys-volta-cell.html"
COPY = "news/saved-halden-buys-volta-cell.html"


def eml(source: Source, attachments: list[Attachment]) -> bytes:
    message = EmailMessage(policy=SMTP)
    message["From"], message["To"] = source.head["from"], source.head["to"]
    if copied := source.head.get("cc"):
        message["Cc"] = copied
    message["Subject"] = source.head["subject"]
    message["Date"] = source.date
    message["Message-ID"] = f"<{source.head['date']}.{len(source.blocks)}@mail.example>"
    lines = [block.text for block in source.blocks]
    message.set_content("\n\n".join(lines) + "\n")
    if source.head.get("html") == "yes":
        shown = "".join(f"<p>{escape(line)}</p>\n" for line in lines)
        message.add_alternative(f"<html><body>{shown}</body></html>", subtype="html")
    for name, kind, data in attachments:
        main, _, sub = kind.partition("/")
        message.add_attachment(data, maintype=main, subtype=sub, filename=name)
    for n, part in enumerate(p for p in message.walk() if p.is_multipart()):
        part.set_boundary(f"=part-{n}-of-the-example=")
    return message.as_bytes()


def plain(source: Source) -> bytes:
    lines = [source.title, ""]
    for block in source.blocks:
        lines += ["", block.text.upper(), ""] if block.kind == "heading" else [block.text, ""]
    return "\n".join(lines).encode()


def markdown(source: Source) -> bytes:
    lines = [f"# {source.title}", ""]
    last = ""
    for block in source.blocks:
        if last == "item" != block.kind:
            lines.append("")
        if block.kind == "item":
            lines.append(f"- {block.text}")
        elif block.kind == "table":
            rows = [f"| {' | '.join(row)} |" for row in block.rows]
            lines += [rows[0], "|" + " --- |" * len(block.rows[0]), *rows[1:], ""]
        else:
            lines += [f"## {block.text}" if block.kind == "heading" else block.text, ""]
        last = block.kind
    return "\n".join(lines).encode()


def table(rows: list[list[object]]) -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out).writerows(rows)
    return out.getvalue().encode()


WRITERS = {
    ".docx": docx,
    ".epub": epub,
    ".html": html,
    ".md": markdown,
    ".odt": odt,
    ".pptx": pptx,
    ".rtf": rtf,
    ".txt": plain,
}


def build() -> dict[str, bytes]:
    """Every file of the corpus by name."""
    sources = [read(path) for path in sorted((HERE / "sources").glob("*.md"))]
    attached: dict[str, list[Attachment]] = {
        "mail/northgate-supplier-list.eml": [
            ("approved-suppliers.csv", "text/csv", table(APPROVED))
        ]
    }
    for source in sources:
        if parent := source.head.get("attachment-of"):
            attachment = (source.head["name"], "application/pdf", pdf(source))
            attached.setdefault(parent, []).append(attachment)
    files: dict[str, bytes] = {}
    inside: dict[str, dict[str, bytes]] = {}
    for source in sources:
        name, _, member = source.head.get("file", "").partition("!")
        if member:
            inside.setdefault(name, {})[member] = WRITERS[Path(member).suffix](source)
        elif name.endswith(".eml"):
            files[name] = eml(source, attached.get(name, []))
        elif name.endswith(".pdf"):
            files[name] = scan(source) if source.head.get("scan") == "yes" else pdf(source)
        elif name:
            files[name] = WRITERS[Path(name).suffix](source)
    files |= {name: packed(members) for name, members in inside.items()}
    sheets = {"Suppliers": SUPPLIERS, "Prices": PRICES}
    made = datetime.fromisoformat("2023-01-12")
    files["tables/halden-suppliers.xlsx"] = xlsx("Halden Maritime suppliers 2022", sheets, made)
    files["tables/bergen-port-calls.csv"] = table(CALLS)
    # The same bytes under another name, as piles of documents have them: it must not count twice.
    files[COPY] = files[COPIED]
    return files


def main() -> None:
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "corpus"
    for name, data in build().items():
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


if __name__ == "__main__":
    main()
