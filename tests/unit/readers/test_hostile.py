"""Files made to hang, flood or crash their reader end in time, in memory, and with a reason or a note."""

import gzip
import io
import struct
import time
import zipfile
import zlib

import pytest

from salient.errors import Error
from salient.model import Block, Kind, Note, Part
from salient.readers import MIB, Limits, worker
from salient.readers.child import Converter

# Small ones, so that what grows without end soon meets them.
LIMITS = Limits(
    time_s=30,
    memory_bytes=400 * MIB,
    max_characters=2_000_000,
    max_expanded_bytes=64 * MIB,
)
WORDPROCESSING = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
SPREADSHEET = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"


def squeezed(data):
    return zlib.compress(data, 1)


def pdf(*objects, trailer=""):
    """A file of these objects; the first is the catalogue. `{here}` in the trailer is its own place."""
    out = bytearray(b"%PDF-1.7\n")
    places = []
    for number, content in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    here = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    fields = f"/Size {len(objects) + 1}/Root 1 0 R{trailer.format(here=here)}".encode()
    return bytes(out + b"trailer\n<<%s>>\nstartxref\n%d\n%%%%EOF\n" % (fields, here))


def stream(fields, data):
    return b"<<%s/Length %d>>stream\n%s\nendstream" % (fields, len(data), data)


TEXT = b"BT /F 12 Tf 72 700 Td (Globex pays.) Tj ET"


def page(content=TEXT, *more, box=b"0 0 612 792", resources=b"", catalogue=b"", packed=b""):
    """A file of one page; objects in `more` are 6, 7, ..."""
    if packed:
        content = squeezed(content)
    return pdf(
        b"<</Type/Catalog/Pages 2 0 R%s>>" % catalogue,
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[%s]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>%s>>>>"
        % (box, resources),
        stream(packed and b"/Filter/FlateDecode", content),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
        *more,
    )


def form(inner, other):
    return stream(
        b"/Type/XObject/Subtype/Form/BBox[0 0 9 9]/Resources<</XObject<</X %d 0 R>>>>" % other,
        inner,
    )


def image(width, height, data):
    return stream(
        b"/Type/XObject/Subtype/Image/Width %d/Height %d/BitsPerComponent 8/ColorSpace/DeviceRGB"
        b"/Filter/FlateDecode" % (width, height),
        squeezed(data),
    )


def zipped(members, *, mimetype=None):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        if mimetype:
            archive.writestr("mimetype", mimetype, zipfile.ZIP_STORED)
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def office(main, kind, members):
    return zipped(
        {
            "[Content_Types].xml": f'<Types xmlns="{PACKAGE}/content-types"><Override PartName="/{main}" '
            f'ContentType="application/vnd.openxmlformats-officedocument.{kind}.main+xml"/></Types>',
            "_rels/.rels": f'<Relationships xmlns="{PACKAGE}/relationships"><Relationship Id="r1" '
            f'Type="{RELATIONS}/officeDocument" Target="{main}"/></Relationships>',
            **members,
        }
    )


def docx(body, *, before="", **more):
    document = (
        f'{before}<w:document xmlns:w="{WORDPROCESSING}"><w:body>{body}</w:body></w:document>'
    )
    return office(
        "word/document.xml", "wordprocessingml.document", {"word/document.xml": document, **more}
    )


def xlsx(rows, **more):
    return office(
        "xl/workbook.xml",
        "spreadsheetml.sheet",
        {
            "xl/workbook.xml": f'<workbook xmlns="{SPREADSHEET}" xmlns:r="{RELATIONS}"><sheets>'
            '<sheet name="S" sheetId="1" r:id="r1"/></sheets></workbook>',
            "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{PACKAGE}/relationships"><Relationship '
            f'Id="r1" Type="{RELATIONS}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
            "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{SPREADSHEET}"><sheetData>{rows}</sheetData></worksheet>',
            **more,
        },
    )


def cell(reference, quote='"'):
    return f"<c r={quote}{reference}{quote} t={quote}inlineStr{quote}><is><t>Globex</t></is></c>"


def opendocument(kind, body):
    names = "".join(
        f' xmlns:{n}="urn:oasis:names:tc:opendocument:xmlns:{n}:1.0"'
        for n in ("office", "text", "table")
    )
    mimetype = f"application/vnd.oasis.opendocument.{kind}"
    manifest = (
        '<m:manifest xmlns:m="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"><m:file-entry '
        f'm:full-path="/" m:media-type="{mimetype}"/></m:manifest>'
    )
    content = (
        f"<office:document-content{names}><office:body><office:{kind}>{body}</office:{kind}>"
        "</office:body></office:document-content>"
    )
    return zipped({"content.xml": content, "META-INF/manifest.xml": manifest}, mimetype=mimetype)


def epub(chapter, spine=1):
    return zipped(
        {
            "META-INF/container.xml": '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container">'
            '<rootfiles><rootfile full-path="o.opf"/></rootfiles></container>',
            "o.opf": '<package xmlns="http://www.idpf.org/2007/opf"><metadata/><manifest><item id="a" '
            'href="a.xhtml" media-type="application/xhtml+xml"/></manifest><spine>'
            + '<itemref idref="a"/>' * spine
            + "</spine></package>",
            "a.xhtml": f'<html xmlns="http://www.w3.org/1999/xhtml"><body><p>{chapter}</p></body></html>',
        },
        mimetype="application/epub+zip",
    )


def png(width, height):
    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", squeezed(b""))
        + chunk(b"IEND", b"")
    )


def overlapping(names):
    """One packed member that many names in the directory point to."""
    whole = zipped({"000000": b"0" * (4 * MIB)})
    at, end = whole.index(b"PK\x01\x02"), whole.index(b"PK\x05\x06")
    entry = whole[at:end]
    entries = b"".join(entry.replace(b"000000", b"%06d" % n) for n in range(1, names + 1))
    close = struct.pack(
        "<IHHHHIIH", 0x06054B50, 0, 0, names & 0xFFFF, names & 0xFFFF, len(entries), at, 0
    )
    return whole[:at] + entries + close


GLOBEX = "<w:p><w:r><w:t>Globex</w:t></w:r></w:p>"
SPACES = " " * (100 * MIB)
XOBJECT = b"/XObject<</X 6 0 R>>"

# name -> (how to make it, the codes it may end with; None is done, with the text or a note)
FILES = {
    "pdf: table of objects that points to itself": (
        lambda: pdf(
            b"<</Type/Catalog/Pages 2 0 R>>",
            b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>",
            trailer="/Prev {here}",
        ),
        {None, "malformed"},
    ),
    "pdf: pages that hold themselves": (
        lambda: pdf(b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[2 0 R 2 0 R]/Count 900000>>"),
        {None, "malformed"},
    ),
    "pdf: a hundred million pages claimed": (
        lambda: pdf(
            b"<</Type/Catalog/Pages 2 0 R>>",
            b"<</Type/Pages/Kids[3 0 R]/Count 100000000>>",
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>",
        ),
        {None, "malformed"},
    ),
    "pdf: a drawing that draws itself": (
        lambda: page(b"/X Do", form(b"/X Do /X Do", 6), resources=XOBJECT),
        {None, "out_of_memory", "reader_crashed"},
    ),
    "pdf: drawings that double twelve times": (
        lambda: page(b"/X Do", *(form(b"/X Do " * 10, 7 + n) for n in range(12)), resources=XOBJECT),
        {None, "out_of_memory", "timed_out", "reader_crashed"},
    ),
    "pdf: half a gigabyte of blanks": (
        lambda: page(b" " * (1 << 29), packed=b"yes"),
        {None, "out_of_memory", "reader_crashed"},
    ),
    "pdf: states that nest without end": (
        lambda: page(b"q " * 3_000_000, packed=b"yes"),
        {None, "out_of_memory", "reader_crashed"},
    ),
    "pdf: arrays that nest without end": (lambda: page(b"[" * 500_000), {None}),
    "pdf: a page of ten thousand kilometres": (lambda: page(box=b"0 0 30000000000 30000000000"), {None}),
    "pdf: a page of nonsense": (lambda: page(box=b"1e30 nan -5 99999999999999999999"), {None}),
    "pdf: an image of three billion pixels": (
        lambda: page(
            b"600 0 0 700 0 0 cm /X Do", image(60_000, 60_000, bytes(1 << 24)), resources=XOBJECT
        ),
        {None},
    ),
    "pdf: bookmarks in a circle": (
        lambda: page(
            TEXT,
            b"<</First 7 0 R/Last 7 0 R/Count 1>>",
            b"<</Title(a)/Parent 6 0 R/Next 7 0 R/First 7 0 R>>",
            catalogue=b"/Outlines 6 0 R",
        ),
        {None},
    ),
    "pdf: attachments in a circle": (
        lambda: page(
            TEXT, b"<</Kids[6 0 R 6 0 R]>>", catalogue=b"/Names<</EmbeddedFiles 6 0 R>>"
        ),
        {None},
    ),
    "docx: a part that unpacks to 100 MB": (
        lambda: docx(GLOBEX, **{"word/media/a.xml": SPACES, "word/document.xml": SPACES}),
        {"zip_bomb"},
    ),
    "xlsx: a part that unpacks to 100 MB": (
        lambda: xlsx("", **{"xl/sharedStrings.xml": SPACES}),
        {"zip_bomb"},
    ),
    "odt: a part that unpacks to 100 MB": (lambda: opendocument("text", SPACES), {"zip_bomb"}),
    "epub: a chapter that unpacks to 100 MB": (lambda: epub(SPACES), {"zip_bomb"}),
    "docx: tables in tables in tables": (
        lambda: docx("<w:tbl><w:tr><w:tc>" * 3000 + GLOBEX + "</w:tc></w:tr></w:tbl>" * 3000),
        {None, "malformed"},
    ),
    "docx: frames a hundred thousand deep": (
        lambda: docx("<w:sdt>" * 100_000 + GLOBEX + "</w:sdt>" * 100_000),
        {None, "malformed"},
    ),
    "docx: entities that double": (
        lambda: docx(
            "<w:p><w:r><w:t>&j;</w:t></w:r></w:p>",
            before="<!DOCTYPE x [<!ENTITY a 'ha'>"
            + "".join(f"<!ENTITY {b} '{f'&{a};' * 10}'>" for a, b in zip("abcdefghi", "bcdefghij", strict=True))
            + "]>",
        ),
        {None, "malformed"},
    ),
    "docx: styles in a circle": (
        lambda: docx(
            GLOBEX.replace("<w:r>", "<w:pPr><w:pStyle w:val='A'/></w:pPr><w:r>"),
            **{
                "word/_rels/document.xml.rels": f'<Relationships xmlns="{PACKAGE}/relationships">'
                f'<Relationship Id="r" Type="{RELATIONS}/styles" Target="styles.xml"/></Relationships>',
                "word/styles.xml": f'<w:styles xmlns:w="{WORDPROCESSING}">'
                '<w:style w:type="paragraph" w:styleId="A"><w:basedOn w:val="B"/></w:style>'
                '<w:style w:type="paragraph" w:styleId="B"><w:basedOn w:val="A"/></w:style></w:styles>',
            },
        ),
        {None},
    ),
    "xlsx: two cells in opposite corners": (
        lambda: xlsx(
            f"<row r='1'>{cell('A1', chr(39))}</row><row r='1048576'>{cell('XFD1048576', chr(39))}</row>"
        ),
        {None},
    ),
    "xlsx: a row beyond all rows": (lambda: xlsx(f'<row r="1">{cell("A99999999999")}</row>'), {None}),
    "ods: a cell below a million blank rows": (
        lambda: opendocument(
            "spreadsheet",
            "<table:table table:name='S'><table:table-row table:number-rows-repeated='1048575'>"
            "<table:table-cell table:number-columns-repeated='16384'/></table:table-row><table:table-row>"
            "<table:table-cell office:value-type='string'><text:p>Globex</text:p></table:table-cell>"
            "</table:table-row></table:table>",
        ),
        {None},
    ),
    "ods: a cell repeated sixteen billion times": (
        lambda: opendocument(
            "spreadsheet",
            "<table:table table:name='S'><table:table-row table:number-rows-repeated='1000000'>"
            "<table:table-cell table:number-columns-repeated='16384' office:value-type='string'>"
            "<text:p>Globex</text:p></table:table-cell></table:table-row></table:table>",
        ),
        {None, "malformed", "out_of_memory", "too_large"},
    ),
    "odt: two billion spaces": (
        lambda: opendocument("text", "<text:p>Globex<text:s text:c='2000000000'/>x</text:p>"),
        {None},
    ),
    "odt: a cell repeated beyond counting": (
        lambda: opendocument(
            "text",
            "<table:table><table:table-row table:number-rows-repeated='1000000000'><table:table-cell "
            "table:number-columns-repeated='1000000000'><text:p>Globex</text:p></table:table-cell>"
            "</table:table-row></table:table>",
        ),
        {None},
    ),
    "epub: a chapter read ten thousand times": (lambda: epub("Globex pays. " * 1000, 10_000), {None}),
    "png: four quintillion pixels": (lambda: png(0x7FFFFFFF, 0x7FFFFFFF), {"too_large"}),
    "png: a line of forty million pixels": (lambda: png(2, 20_000_000), {"too_large", "truncated"}),
    "zip: one member under many names": (lambda: overlapping(1500), {"truncated", "zip_bomb"}),
    "zip: too many members": (
        lambda: overlapping(100_001),
        {"zip_bomb"},
    ),
    "gz: many empty streams": (lambda: gzip.compress(b"") * 100_000 + gzip.compress(b"Globex"), {None}),
    "html: cells that span a thousand by a thousand": (
        lambda: b"<!doctype html><table>" + (b"<tr>" + b"<td rowspan=1000 colspan=1000>Globex" * 50) * 200,
        {None},
    ),
    "html: a wall of marks": (lambda: b"<!doctype html><p>Globex" + b"<b><i>" * 60_000 + b"Globex", {None}),
    "vtt: speakers without end": (
        lambda: b"WEBVTT\n\n00:00.000 --> 00:04.000\nGlobex " + b"<v " * 200_000,
        {None},
    ),
    "tex: headings without end": (
        lambda: rb"\documentclass{article}\begin{document}Globex " + rb"\section{" * 3000,
        {None},
    ),
    "tex: options without end": (
        lambda: rb"\documentclass{article}\begin{document}Globex " + rb"\x[" * 60_000,
        {None},
    ),
    "mail: a mail in a mail in a mail": (
        lambda: b"From: a@b.c\r\nSubject: Globex\r\nContent-Type: message/rfc822\r\n\r\n" * 2000,
        {None, "malformed"},
    ),
    "rtf: groups without end": (lambda: rb"{\rtf1 Globex " + b"{" * 1_000_000, {None}),
    "json: lists without end": (lambda: b'{"a": "Globex", "b": ' + b"[" * 500_000, {None}),
    "xml: elements without end": (lambda: b"<?xml version='1.0'?>" + b"<a>" * 200_000, {None, "malformed"}),
    "txt: items without end": (lambda: b"- Globex\n" * 250_000, {None}),
}  # fmt: skip


@pytest.fixture(scope="module")
def converter():
    with Converter() as made:
        yield made


@pytest.mark.parametrize("name", FILES)
def test_it_ends_with_text_a_note_or_a_reason(converter, tmp_path, name):
    make, codes = FILES[name]
    file = tmp_path / "file"
    file.write_bytes(make())
    started = time.monotonic()
    done, reason = outcome(converter, file, f"file.{name.partition(':')[0]}")
    assert time.monotonic() - started < LIMITS.time_s + 60  # whatever else the machine does
    assert (reason.context["code"] if reason else None) in codes, reason
    if reason:
        assert len(reason.message) > 30
    else:
        assert "Globex" in done.text.text or done.children or done.text.notes
        assert done.peak_memory_bytes < 500 * MIB


def outcome(converter, file, name):
    """The conversion, or the reason why there is none."""
    try:
        return converter.convert(file, name, LIMITS), None
    except Error as error:
        return None, error


def test_a_paragraph_of_twelve_megabytes_is_read_to_the_limit(converter, tmp_path):
    file = tmp_path / "a.docx"
    text = "".join(f"Globex {n}. " for n in range(800_000))
    file.write_bytes(docx(f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>"))
    done = converter.convert(file, "a.docx", Limits(max_characters=11_500_000))
    assert len(done.text.text) == 11_500_000
    assert [n.code for n in done.text.notes] == ["text_left_out"]


def test_paragraphs_beyond_counting_stop_at_a_limit_and_the_rest_is_told(monkeypatch):
    monkeypatch.setattr(worker, "_MAX_BLOCKS", 7)
    parts = [Part([Block(Kind.PARAGRAPH, "a")] * 5) for _ in range(3)]
    got = list(worker._bounded(iter(parts), Limits()))
    assert [len(p.blocks) for p in got if isinstance(p, Part)] == [5, 2]
    assert [p.code for p in got if isinstance(p, Note)] == ["text_left_out"]


def test_a_bomb_among_attachments_costs_no_page(converter, tmp_path):
    file = tmp_path / "a.pdf"
    file.write_bytes(
        page(
            TEXT,
            b"<</Type/Filespec/F(a.txt)/EF<</F 7 0 R>>>>",
            stream(b"/Type/EmbeddedFile/Filter/FlateDecode", squeezed(bytes(1 << 30))),
            catalogue=b"/Names<</EmbeddedFiles<</Names[(a.txt) 6 0 R]>>>>",
        )
    )
    done = converter.convert(file, "a.pdf")
    assert done.text.text == "Globex pays."
    (note,) = done.text.notes
    assert "attachments" in note.message
    assert "page 1" not in note.message


def test_a_file_without_any_text_says_so(converter, tmp_path):
    file = tmp_path / "a.docx"
    file.write_bytes(docx("<w:p/>"))
    assert [n.code for n in converter.convert(file, "a.docx").text.notes] == ["no_text"]


def test_a_part_that_is_damaged_is_named(converter, tmp_path):
    file = tmp_path / "a.docx"
    file.write_bytes(docx(GLOBEX + "<w:p><w:r><w:t>cut"))
    done = converter.convert(file, "a.docx")
    assert "Globex" in done.text.text
    assert ["word/document.xml" in n.message for n in done.text.notes] == [True]


def test_a_packed_file_is_named_after_its_parent(converter, tmp_path):
    file = tmp_path / "0a1b"
    file.write_bytes(gzip.compress(b"Globex pays."))
    (child,) = converter.convert(file, "in/a folder/terms.txt.gz").children
    assert child.name == "terms.txt"
    assert converter.convert(file, "0a1b").children[0].name == "unpacked"
