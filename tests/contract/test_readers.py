"""What every reader promises, of every media type that has one."""

import bz2
import gzip
import io
import json
import lzma
import mailbox
import random
import tarfile
import zipfile
from email.message import EmailMessage

import numpy as np
import pytest
from PIL import Image, ImageDraw

from salient.errors import Error, InvalidInput, LimitExceeded, NotFound, Unsupported
from salient.model import Kind, Text
from salient.readers import READERS, Limits
from salient.readers.child import Converter

WORDS = "Globex Corporation pays Initech Limited twelve thousand dollars within thirty days."
W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


def pdf():
    from reportlab.pdfgen.canvas import Canvas

    out = io.BytesIO()
    canvas = Canvas(out, invariant=1)
    canvas.drawString(72, 700, WORDS)
    for n, cell in enumerate(["Year", "Sum", "2020", "12"]):
        canvas.rect(72 + 80 * (n % 2), 600 - 20 * (n // 2), 80, 20)
        canvas.drawString(76 + 80 * (n % 2), 606 - 20 * (n // 2), cell)
    canvas.showPage()
    canvas.drawString(72, 700, WORDS)
    canvas.save()
    return out.getvalue()


def picture(form):
    def made():
        out = io.BytesIO()
        image = Image.new("L", (420, 60), 255)
        ImageDraw.Draw(image).text((10, 15), "Globex Corporation", fill=0, font_size=32)
        image.save(out, form)
        return out.getvalue()

    return made


def docx():
    import docx

    document = docx.Document()
    document.add_heading("Terms", 1)
    document.add_paragraph(WORDS)
    table = document.add_table(2, 2)
    for n, cell in enumerate(["Year", "Sum", "2020", "12"]):
        table.cell(n // 2, n % 2).text = cell
    return saved(document)


def pptx():
    import pptx

    deck = pptx.Presentation()
    slide = deck.slides.add_slide(deck.slide_layouts[1])
    slide.shapes.title.text = "Terms"
    slide.placeholders[1].text = WORDS
    return saved(deck)


def saved(document):
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def xlsx():
    import xlsxwriter

    out = io.BytesIO()
    with xlsxwriter.Workbook(out) as book:
        sheet = book.add_worksheet("Sales")
        sheet.write_row(0, 0, ["Year", "Name"])
        sheet.write_row(1, 0, [2020, WORDS])
    return out.getvalue()


def packed(members, *, first=()):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in first:
            archive.writestr(name, content, zipfile.ZIP_STORED)
        for name, content in members.items():
            archive.writestr(name, content, zipfile.ZIP_DEFLATED)
    return out.getvalue()


OFFICE = (
    'xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" '
    'xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0" '
    'xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0" '
    'xmlns:draw="urn:oasis:names:tc:opendocument:xmlns:drawing:1.0"'
)


def opendocument(kind, body):
    def made():
        content = (
            f'<?xml version="1.0"?><office:document-content {OFFICE}><office:body>{body}'
            "</office:body></office:document-content>"
        )
        manifest = (
            '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0">'
            f'<manifest:file-entry manifest:full-path="/" manifest:media-type="{kind}"/>'
            '<manifest:file-entry manifest:full-path="content.xml" manifest:media-type="text/xml"/>'
            "</manifest:manifest>"
        )
        return packed(
            {"content.xml": content, "META-INF/manifest.xml": manifest}, first=[("mimetype", kind)]
        )

    return made


ODT = opendocument(
    "application/vnd.oasis.opendocument.text",
    f"<office:text><text:h text:outline-level='1'>Terms</text:h><text:p>{WORDS}</text:p></office:text>",
)
ODP = opendocument(
    "application/vnd.oasis.opendocument.presentation",
    f"<office:presentation><draw:page draw:name='1'><draw:frame><draw:text-box><text:p>{WORDS}"
    "</text:p></draw:text-box></draw:frame></draw:page></office:presentation>",
)
ODS = opendocument(
    "application/vnd.oasis.opendocument.spreadsheet",
    "<office:spreadsheet><table:table table:name='S'><table:table-row><table:table-cell "
    f"office:value-type='string'><text:p>{WORDS}</text:p></table:table-cell></table:table-row>"
    "</table:table></office:spreadsheet>",
)


def epub():
    container = (
        '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container" version="1.0"><rootfiles>'
        '<rootfile full-path="o.opf" media-type="application/oebps-package+xml"/></rootfiles></container>'
    )
    package = (
        '<package xmlns="http://www.idpf.org/2007/opf" version="3.0"><metadata/><manifest>'
        '<item id="a" href="a.xhtml" media-type="application/xhtml+xml"/></manifest>'
        '<spine><itemref idref="a"/></spine></package>'
    )
    chapter = f'<html xmlns="http://www.w3.org/1999/xhtml"><body><p>{WORDS}</p></body></html>'
    return packed(
        {"META-INF/container.xml": container, "o.opf": package, "a.xhtml": chapter},
        first=[("mimetype", "application/epub+zip")],
    )


def mail():
    message = EmailMessage()
    message["From"], message["To"] = "ada@example.org", "max@example.org"
    message["Subject"], message["Date"] = "Terms", "Mon, 01 Mar 2021 10:00:00 +0000"
    message.set_content(WORDS)
    message.add_attachment(b"annex", maintype="text", subtype="plain", filename="annex.txt")
    message.set_boundary("=====edge=====")
    return message.as_bytes()


def mbox(tmp_path):
    box = mailbox.mbox(tmp_path / "box")
    box.add(mail())
    box.add(mail())
    box.flush()
    box.close()
    return (tmp_path / "box").read_bytes()


def tar():
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        member = tarfile.TarInfo("a.txt")
        member.size = len(WORDS)
        archive.addfile(member, io.BytesIO(WORDS.encode()))
    return out.getvalue()


HTML = (
    "<!doctype html><html><head><title>Terms</title></head><body><h1>Terms</h1>"
    f"<p>{WORDS} {WORDS}</p><table><tr><th>Year</th><th>Sum</th></tr><tr><td>2020</td><td>12</td>"
    "</tr></table></body></html>"
)
LINES = "\n".join([WORDS] * 4)

# media type -> (name, how to make one); how takes a folder if it wants one
SAMPLES = {
    "application/pdf": ("a.pdf", pdf),
    "image/png": ("a.png", picture("PNG")),
    "image/jpeg": ("a.jpg", picture("JPEG")),
    "image/tiff": ("a.tiff", picture("TIFF")),
    "image/webp": ("a.webp", picture("WEBP")),
    "image/bmp": ("a.bmp", picture("BMP")),
    "image/gif": ("a.gif", picture("GIF")),
    "text/plain": ("a.txt", lambda: LINES.encode()),
    "text/csv": ("a.csv", lambda: b"year,name,sum\n2020,Globex,12\n2021,Initech,13\n"),
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ("a.docx", docx),
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": ("a.pptx", pptx),
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": ("a.xlsx", xlsx),
    "application/vnd.oasis.opendocument.text": ("a.odt", ODT),
    "application/vnd.oasis.opendocument.presentation": ("a.odp", ODP),
    "application/vnd.oasis.opendocument.spreadsheet": ("a.ods", ODS),
    "application/epub+zip": ("a.epub", epub),
    "application/rtf": ("a.rtf", lambda: rb"{\rtf1\ansi " + WORDS.encode() + rb"\par More.\par}"),
    "message/rfc822": ("a.eml", mail),
    "application/mbox": ("a.mbox", mbox),
    "text/html": ("a.html", HTML.encode),
    "text/markdown": (
        "a.md",
        lambda: f"# Terms\n\n{WORDS}\n\n- one\n- two\n\n|a|b|\n|-|-|\n|1|2|\n".encode(),
    ),
    "text/asciidoc": ("a.adoc", lambda: f"= Terms\n\n{WORDS}\n\n* one\n* two\n".encode()),
    "text/vtt": (
        "a.vtt",
        lambda: f"WEBVTT\n\n00:00.000 --> 00:04.000\n{WORDS}\n".encode(),
    ),
    "text/x-source": (
        "a.py",
        lambda: f'"""{WORDS}"""\n\nimport os\n\n\ndef f(a):\n    return a\n'.encode(),
    ),
    "text/x-tex": (
        "a.tex",
        lambda: (
            r"\documentclass{article}\begin{document}\section{Terms}" + WORDS + r"\end{document}"
        ).encode(),
    ),
    "application/json": ("a.json", lambda: json.dumps({"terms": [WORDS, 1]}).encode()),
    "application/jsonl": ("a.jsonl", lambda: (json.dumps({"t": WORDS}) + "\n").encode() * 3),
    "application/xml": (
        "a.xml",
        lambda: f'<?xml version="1.0"?><terms><one>{WORDS}</one></terms>'.encode(),
    ),
    "application/zip": ("a.zip", lambda: packed({"a.txt": WORDS, "b/c.txt": WORDS})),
    "application/x-tar": ("a.tar", tar),
    "application/gzip": ("a.txt.gz", lambda: gzip.compress(LINES.encode(), mtime=0)),
    "application/x-bzip2": ("a.txt.bz2", lambda: bz2.compress(LINES.encode())),
    "application/x-xz": ("a.txt.xz", lambda: lzma.compress(LINES.encode())),
}

# Formats that no free library writes: read from the public data, where it is at hand.
SHARED = {
    "application/msword": "docling/doc/sources/*.doc",
    "application/vnd.ms-powerpoint": "docling/ppt/sources/*.ppt",
    "application/vnd.ms-outlook": "docling/email/sources/*.msg",
    "application/vnd.ms-excel": "docling/xls/sources/*.xls",
}
# The first is read as xlsx is, by the same library; the others have a reader to refuse them well.
WITHOUT = {
    "application/vnd.ms-excel.sheet.binary.macroenabled.12",
    "application/x-encrypted-office",
    "application/vnd.apple.iwork",
}

CODES = {
    "encrypted", "empty", "truncated", "malformed", "no_text", "unsupported_format", "zip_bomb",
    "too_large", "too_many_pages", "too_deep", "reader_crashed", "out_of_memory", "timed_out",
}  # fmt: skip


@pytest.fixture(scope="module")
def converter():
    with Converter() as made:
        yield made


@pytest.fixture(scope="module")
def other_converter():
    with Converter() as made:
        yield made


@pytest.fixture(params=[*SAMPLES, *SHARED])
def sample(request, tmp_path):
    """(media type, a valid file of it)."""
    media_type = request.param
    if media_type in SHARED:
        shared = request.getfixturevalue("shared")
        found = sorted((shared / "data" / "docs").glob(SHARED[media_type]))
        if not found:
            pytest.skip("no such file in the public data")
        return media_type, found[0]
    name, make = SAMPLES[media_type]
    file = tmp_path / name
    file.write_bytes(make(tmp_path) if make is mbox else make())
    return media_type, file


def test_no_reader_ships_without_the_contract():
    assert set(SAMPLES) | set(SHARED) | WITHOUT == set(READERS)


def test_a_file_is_recognised_by_its_bytes_and_read(converter, sample):
    media_type, file = sample
    name = file.name if media_type.startswith(("text/", "application/json")) else "no name"
    done = converter.convert(file, name)
    assert done.media_type == media_type
    assert done.component.partition("@")[2].isdecimal()
    assert done.text.text.strip() or done.children or done.text.notes


@pytest.mark.parametrize("sample", SAMPLES, indirect=True)
def test_what_is_said_is_in_the_text_or_a_child(converter, sample):
    _, file = sample
    done = converter.convert(file, file.name)
    said = done.text.text + " ".join(c.content.decode("utf-8", "replace") for c in done.children)
    assert "Globex" in said


def test_offsets_point_into_the_text_and_words_are_words(converter, sample):
    text = converter.convert(sample[1], sample[1].name).text
    n = len(text.text)
    assert ((text.block_start >= 0) & (text.block_start < text.block_end)).all()
    assert (text.block_end <= n).all()
    assert (text.block_start[1:] - text.block_end[:-1] == 2).all()
    assert (text.page_start <= text.page_end).all()
    assert (text.page_start[1:] >= text.page_end[:-1]).all()
    assert (text.word_start[1:] >= text.word_end[:-1]).all()
    kinds = np.searchsorted(text.block_start, text.word_start, side="right") - 1
    for row in range(len(text.word_start)):
        start, end = int(text.word_start[row]), int(text.word_end[row])
        word = text.text[start:end]
        assert word.strip() == word
        if text.block_kind[kinds[row]] != Kind.FORM_FIELD:
            assert word.split() == [word]
        x0, y0, x1, y1 = text.word_box[row]
        assert 0 <= x0 <= x1 <= 1
        assert 0 <= y0 <= y1 <= 1
    for row in range(len(text.cell_start)):
        block = int(text.cell_block[row])
        assert text.block_start[block] <= text.cell_start[row] <= text.cell_end[row]
        assert text.cell_end[row] <= text.block_end[block]
        assert text.block_kind[block] == Kind.TABLE


def test_two_processes_read_equal_bytes(converter, other_converter, sample):
    first, second = (
        made.convert(sample[1], sample[1].name).text.dump() for made in (converter, other_converter)
    )
    assert first == second
    assert Text.load(first).dump() == first


def test_the_file_is_left_as_it_was(converter, sample):
    before = sample[1].read_bytes()
    converter.convert(sample[1], sample[1].name)
    assert sample[1].read_bytes() == before


def hurt(data):
    """Cuts and flips of a valid file, the same ones on every run."""
    chance = random.Random(7)
    for share in (0.02, 0.3, 0.6, 0.95):
        yield data[: max(1, int(share * len(data)))]
    yield data[:-1]
    for n_flips in (1, 3, 10, 40, 200):
        flipped = bytearray(data)
        for _ in range(n_flips):
            flipped[chance.randrange(len(flipped))] = chance.randrange(256)
        yield bytes(flipped)
    middle = len(data) // 2
    yield data[:middle] + bytes(min(400, middle)) + data[middle + 400 :]
    yield data + data


def test_a_hurt_file_is_read_in_part_or_refused_with_a_reason(converter, sample, tmp_path):
    media_type, file = sample
    data = file.read_bytes()
    limits = Limits(time_s=30)
    for number, bad in enumerate(hurt(data)):
        held = tmp_path / f"bad{number}"
        held.write_bytes(bad)
        reason = refusal(converter, held, file.name, media_type, limits)
        assert reason is None or reason in CODES, (number, reason)


def refusal(converter, file, name, media_type, limits):
    """The code of the reason why a file is not read, None if it is."""
    try:
        converter.convert(file, name, limits, media_type=media_type)
    except (InvalidInput, LimitExceeded, Unsupported) as error:
        return error.context["code"] if len(error.message) > 20 else f"no reason: {error}"
    return None


def test_every_type_refuses_an_empty_file(converter, tmp_path):
    (tmp_path / "empty").touch()
    for media_type in READERS:
        assert refusal(converter, tmp_path / "empty", "e", media_type, Limits()) == "empty"


@pytest.mark.parametrize("name", ["new\nline.txt", "ключ 👩‍🔬.txt", "-rf .txt", "a" * 200 + ".txt"])
def test_a_files_name_does_not_matter(converter, tmp_path, name):
    file = tmp_path / name
    file.write_bytes(LINES.encode())
    assert "Globex" in converter.convert(file, name).text.text


def test_a_folder_is_not_a_file(converter, tmp_path):
    with pytest.raises(Error) as info:
        converter.convert(tmp_path, "folder")
    assert isinstance(info.value, InvalidInput | NotFound | Unsupported)
