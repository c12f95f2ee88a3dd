"""Word, PowerPoint and Excel files: what a person sees in them, and nothing hurt by what is wrong."""

from __future__ import annotations

import datetime as dt
import io
import struct
import zipfile
from pathlib import Path

import docx
import pptx
import pytest
import xlsxwriter
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls
from pptx.util import Inches

from salient.errors import Error, InvalidInput, LimitExceeded
from salient.model import Builder, Child, Kind, Metadata, Note, Part
from salient.readers import Limits, encrypted, ole, spreadsheet
from salient.readers import docx as docx_reader
from salient.readers import pptx as pptx_reader
from salient.readers.docx_numbering import format_number
from salient.readers.recognise import ENCRYPTED_OFFICE, recognise

W = nsdecls("w")


def blocks(pieces):
    return [b for p in pieces if isinstance(p, Part) for b in p.blocks]


def pairs(pieces):
    return [(b.kind, b.text) for b in blocks(pieces)]


def codes(pieces):
    return [p.code for p in pieces if isinstance(p, Note)]


def read_docx(document, tmp_path):
    file = tmp_path / "a.docx"
    document.save(str(file))
    return list(docx_reader.read(file, Limits()))


# --- Word


def test_headings_paragraphs_and_lists_are_told_apart(tmp_path):
    document = docx.Document()
    document.core_properties.title = "The Lease"
    document.core_properties.author = "Ann Bell"
    document.add_heading("Lease", 0)
    document.add_heading("Term", 2)
    document.add_paragraph("Two  years.\tFrom now.")
    document.add_paragraph("first", style="List Number")
    document.add_paragraph("second", style="List Number")
    document.add_paragraph("dot", style="List Bullet")
    pieces = read_docx(document, tmp_path)
    assert pairs(pieces) == [
        (Kind.TITLE, "Lease"),
        (Kind.HEADING, "Term"),
        (Kind.PARAGRAPH, "Two years. From now."),
        (Kind.LIST_ITEM, "1. first"),
        (Kind.LIST_ITEM, "2. second"),
        (Kind.LIST_ITEM, "dot"),
    ]
    fields = next(p.fields for p in pieces if isinstance(p, Metadata))
    assert (fields["title"], fields["author"]) == ("The Lease", "Ann Bell")


def test_merged_cells_keep_their_spans(tmp_path):
    document = docx.Document()
    table = document.add_table(3, 3)
    for r in range(3):
        for c in range(3):
            table.cell(r, c).text = f"{r}{c}"
    table.cell(0, 1).merge(table.cell(0, 2)).text = "wide"
    table.cell(1, 0).merge(table.cell(2, 0)).text = "tall"
    (block,) = [b for b in blocks(read_docx(document, tmp_path)) if b.kind == Kind.TABLE]
    found = {
        block.text[c.start : c.end]: (c.row, c.column, c.row_span, c.column_span)
        for c in block.cells
    }
    assert found == {
        "00": (0, 0, 1, 1), "wide": (0, 1, 1, 2), "tall": (1, 0, 2, 1), "11": (1, 1, 1, 1),
        "12": (1, 2, 1, 1), "21": (2, 1, 1, 1), "22": (2, 2, 1, 1),
    }  # fmt: skip


def test_a_table_of_one_cell_is_a_frame_around_text(tmp_path):
    document = docx.Document()
    document.add_table(1, 1).cell(0, 0).text = "Boxed"
    assert pairs(read_docx(document, tmp_path)) == [(Kind.PARAGRAPH, "Boxed")]


def test_insertions_are_kept_and_deletions_dropped(tmp_path):
    document = docx.Document()
    paragraph = document.add_paragraph("Rent is ")
    paragraph._p.append(
        parse_xml(f'<w:del {W} w:id="1" w:author="x"><w:r><w:delText>5</w:delText></w:r></w:del>')
    )
    paragraph._p.append(
        parse_xml(f'<w:ins {W} w:id="2" w:author="x"><w:r><w:t>7</w:t></w:r></w:ins>')
    )
    pieces = read_docx(document, tmp_path)
    assert pairs(pieces) == [(Kind.PARAGRAPH, "Rent is 7")]
    assert "deletions_left_out" in codes(pieces)


def test_text_boxes_fields_links_and_content_controls_are_read_once(tmp_path):
    document = docx.Document()
    paragraph = document.add_paragraph("See ")
    paragraph._p.append(parse_xml(f"<w:hyperlink {W}><w:r><w:t>the site</w:t></w:r></w:hyperlink>"))
    paragraph._p.append(
        parse_xml(f"<w:sdt {W}><w:sdtContent><w:r><w:t>, Ann</w:t></w:r></w:sdtContent></w:sdt>")
    )
    paragraph._p.append(
        parse_xml(f'<w:fldSimple {W} w:instr="PAGE"><w:r><w:t> 3</w:t></w:r></w:fldSimple>')
    )
    box = f"<w:txbxContent {W}><w:p><w:r><w:t>In a box</w:t></w:r></w:p></w:txbxContent>"
    paragraph._p.append(
        parse_xml(
            f'<w:r {W} xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"><mc:AlternateContent>'
            f"<mc:Choice Requires='wps'><w:drawing>{box}</w:drawing></mc:Choice><mc:Fallback><w:pict>{box}</w:pict></mc:Fallback>"
            "</mc:AlternateContent></w:r>"
        )
    )
    assert pairs(read_docx(document, tmp_path)) == [
        (Kind.PARAGRAPH, "See the site, Ann 3"),
        (Kind.PARAGRAPH, "In a box"),
    ]


def test_headers_and_footers_are_furniture_and_comments_are_noted(tmp_path):
    document = docx.Document()
    document.sections[0].header.paragraphs[0].text = "Confidential"
    document.sections[0].footer.paragraphs[0].text = "Acme Ltd"
    run = document.add_paragraph("Body").runs[0]
    document.add_comment(run, "Really?", "Ann")
    pieces = read_docx(document, tmp_path)
    assert pairs(pieces) == [
        (Kind.PAGE_HEADER, "Confidential"),
        (Kind.PARAGRAPH, "Body"),
        (Kind.PAGE_FOOTER, "Acme Ltd"),
    ]
    assert "comments_left_out" in codes(pieces)


def test_numbers_count_through_levels_as_word_shows_them(tmp_path):
    document = docx.Document()
    numbering = document.part.numbering_part.element
    levels = "".join(
        f'<w:lvl w:ilvl="{i}"><w:start w:val="1"/><w:numFmt w:val="{form}"/><w:lvlText w:val="{text}"/></w:lvl>'
        for i, (form, text) in enumerate(
            [("decimal", "%1."), ("decimal", "%1.%2"), ("lowerLetter", "(%3)")]
        )
    )
    numbering.insert(
        0, parse_xml(f'<w:abstractNum {W} w:abstractNumId="77">{levels}</w:abstractNum>')
    )
    numbering.append(parse_xml(f'<w:num {W} w:numId="77"><w:abstractNumId w:val="77"/></w:num>'))
    for level, text in [
        (0, "A"),
        (1, "B"),
        (2, "C"),
        (2, "D"),
        (1, "E"),
        (2, "F"),
        (0, "G"),
        (1, "H"),
    ]:
        paragraph = document.add_paragraph(text)
        paragraph._p.get_or_add_pPr().append(
            parse_xml(f'<w:numPr {W}><w:ilvl w:val="{level}"/><w:numId w:val="77"/></w:numPr>')
        )
    assert [b.text for b in blocks(read_docx(document, tmp_path))] == [
        "1. A", "1.1 B", "(a) C", "(b) D", "1.2 E", "(a) F", "2. G", "2.1 H",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("n", "form", "shown"),
    [
        (4, "lowerRoman", "iv"),
        (1999, "upperRoman", "MCMXCIX"),
        (27, "lowerLetter", "aa"),
        (2, "ordinal", "2nd"),
        (13, "ordinal", "13th"),
        (7, "decimalZero", "07"),
        (5, "chineseCounting", "5"),
    ],
)
def test_numbers_are_formatted(n, form, shown):
    assert format_number(n, form) == shown


def test_footnotes_follow_the_paragraph_that_cites_them(tmp_path):
    file = tmp_path / "a.docx"
    document = docx.Document()
    document.add_paragraph("Fact")._p.append(
        parse_xml(f'<w:r {W}><w:footnoteReference w:id="2"/></w:r>')
    )
    document.add_paragraph("Next")
    document.save(str(file))
    notes = f'<w:footnotes {W}><w:footnote w:type="separator" w:id="0"><w:p/></w:footnote><w:footnote w:id="2"><w:p><w:r><w:t>Source</w:t></w:r></w:p></w:footnote></w:footnotes>'
    rels = '<Relationship Id="rF" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/footnotes" Target="footnotes.xml"/>'
    replaced(
        file,
        {"word/footnotes.xml": notes},
        {"word/_rels/document.xml.rels": ("</Relationships>", rels + "</Relationships>")},
    )
    assert pairs(docx_reader.read(file, Limits())) == [
        (Kind.PARAGRAPH, "Fact"),
        (Kind.FOOTNOTE, "Source"),
        (Kind.PARAGRAPH, "Next"),
    ]


def replaced(file, added=(), changed=None):
    """Rewrite a zip with members added and texts replaced."""
    changed = changed or {}
    with zipfile.ZipFile(file) as archive:
        members = {n: archive.read(n) for n in archive.namelist()}
    for name, (old, new) in changed.items():
        assert old.encode() in members[name]
        members[name] = members[name].replace(old.encode(), new.encode())
    members |= {k: v if isinstance(v, bytes) else v.encode() for k, v in dict(added).items()}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def test_embedded_documents_become_children(tmp_path):
    file = tmp_path / "a.docx"
    docx.Document().save(str(file))
    replaced(file, {"word/embeddings/sheet.xlsx": b"PK", "word/embeddings/oleObject1.bin": b"x"})
    pieces = list(docx_reader.read(file, Limits()))
    assert [(p.name, p.content) for p in pieces if isinstance(p, Child)] == [("sheet.xlsx", b"PK")]
    assert "embedded_left_out" in codes(pieces)


# --- PowerPoint


def test_slides_are_pages_with_titles_tables_and_notes(tmp_path):
    deck = pptx.Presentation()
    slide = deck.slides.add_slide(deck.slide_layouts[1])
    slide.shapes.title.text = "Results"
    slide.placeholders[1].text = "Up\nDown\nSame"
    table = slide.shapes.add_table(2, 2, Inches(1), Inches(1), Inches(4), Inches(1)).table
    for r in range(2):
        for c in range(2):
            table.cell(r, c).text = f"{r}{c}"
    slide.notes_slide.notes_text_frame.text = "Say hello"
    deck.slides.add_slide(deck.slide_layouts[6]).shapes.add_textbox(
        0, 0, 99, 99
    ).text_frame.text = "Free"
    file = tmp_path / "a.pptx"
    deck.save(str(file))
    parts = [p for p in pptx_reader.read(file, Limits()) if isinstance(p, Part)]
    assert [(p.page, p.width_pt, p.height_pt) for p in parts] == [
        (1, 720.0, 540.0),
        (2, 720.0, 540.0),
    ]
    assert [(b.kind, b.text) for b in parts[0].blocks] == [
        (Kind.TITLE, "Results"),
        (Kind.LIST_ITEM, "Up"),
        (Kind.LIST_ITEM, "Down"),
        (Kind.LIST_ITEM, "Same"),
        (Kind.TABLE, "00\t01\n10\t11"),
        (Kind.FOOTNOTE, "Say hello"),
    ]
    assert [c.header for c in parts[0].blocks[4].cells] == [True, True, False, False]
    assert [(b.kind, b.text) for b in parts[1].blocks] == [(Kind.PARAGRAPH, "Free")]


def test_slides_past_the_limit_are_said_to_be_left_out(tmp_path):
    deck = pptx.Presentation()
    for _ in range(4):
        deck.slides.add_slide(deck.slide_layouts[6])
    file = tmp_path / "a.pptx"
    deck.save(str(file))
    pieces = list(pptx_reader.read(file, Limits(max_pages=3)))
    assert len([p for p in pieces if isinstance(p, Part)]) == 3
    assert "pages_left_out" in codes(pieces)


# --- Excel


def workbook(tmp_path, fill):
    file = tmp_path / "a.xlsx"
    with xlsxwriter.Workbook(str(file)) as book:
        fill(book)
    return file


def test_sheets_are_parts_with_tables(tmp_path):
    def fill(book):
        sheet = book.add_worksheet("Sales")
        sheet.write("B1", "Sales of 2025")
        sheet.write_row("B3", ["Item", "Sum", "When"])
        sheet.write_row("B4", ["Pen", 3.0])
        sheet.write_datetime(
            "D4", dt.date(2026, 1, 2), book.add_format({"num_format": "yyyy-mm-dd"})
        )
        sheet.write_row("B5", ["Ink", 2.5])
        sheet.write_boolean("D5", True)
        sheet.merge_range("B6:C6", "Total")
        book.add_worksheet("Other").write("A1", "alone")

    parts = [p for p in spreadsheet.read(workbook(tmp_path, fill), Limits()) if isinstance(p, Part)]
    assert [p.label for p in parts] == ["Sales", "Other"]
    assert [(b.kind, b.text) for b in parts[0].blocks] == [
        (Kind.HEADING, "Sales"),
        (Kind.PARAGRAPH, "Sales of 2025"),
        (Kind.TABLE, "Item\tSum\tWhen\nPen\t3\t2026-01-02\nInk\t2.5\tTRUE\nTotal\t"),
    ]
    table = parts[0].blocks[2]
    assert [table.text[c.start : c.end] for c in table.cells if c.header] == ["Item", "Sum", "When"]
    assert [
        (c.row, c.column_span) for c in table.cells if table.text[c.start : c.end] == "Total"
    ] == [(3, 2)]


def test_a_sheet_that_is_huge_and_almost_empty_is_read_cell_by_cell(tmp_path):
    def fill(book):
        sheet = book.add_worksheet("Wide")
        sheet.write("A1", "first & only")
        sheet.write("XFD1048576", 7)

    pieces = list(spreadsheet.read(workbook(tmp_path, fill), Limits()))
    assert [b.text for b in blocks(pieces)] == ["Wide", "first & only", "7"]
    assert "sparse_sheet" in codes(pieces)


def test_merged_cells_below_blank_rows_keep_their_spans(tmp_path):
    def fill(book):
        sheet = book.add_worksheet("S")
        sheet.write_row("C5", ["Item", "Sum"])
        sheet.merge_range("C6:D6", "Total")

    found = blocks(spreadsheet.read(workbook(tmp_path, fill), Limits()))[-1]
    assert [(c.row, c.column, c.column_span) for c in found.cells] == [
        (0, 0, 1),
        (0, 1, 1),
        (1, 0, 2),
    ]


def test_a_charts_title_is_read_and_its_numbers_where_they_stand(tmp_path):
    def fill(book):
        book.add_worksheet("Data").write_column("A1", [11, 22, 33])
        for sheet, where in [
            (book.add_chartsheet("Alone"), "own"),
            (book.get_worksheet_by_name("Data"), "beside"),
        ]:
            chart = book.add_chart({"type": "line"})
            chart.add_series({"values": "=Data!$A$1:$A$3"})
            chart.set_title({"name": f"Pumps, {where}"})
            if where == "own":
                sheet.set_chart(chart)
            else:
                sheet.insert_chart("D1", chart)

    parts = [p for p in spreadsheet.read(workbook(tmp_path, fill), Limits()) if isinstance(p, Part)]
    assert [(p.label, [b.text for b in p.blocks]) for p in parts] == [
        ("Data", ["Data", "11", "22", "33"]),
        ("Data", ["Pumps, beside"]),
        ("Alone", ["Alone", "Pumps, own"]),
    ]


def test_a_chart_from_another_file_keeps_its_numbers(tmp_path):
    def fill(book):
        sheet = book.add_worksheet("Data")
        chart = book.add_chart({"type": "bar"})
        chart.add_series(
            {
                "values": "='[other.xlsx]S'!$A$1:$A$2",
                "categories": "='[other.xlsx]S'!$B$1:$B$2",
                "values_data": [5, 6],
                "categories_data": ["Oslo", "Bergen"],
            }
        )
        sheet.insert_chart("D1", chart)

    found = blocks(spreadsheet.read(workbook(tmp_path, fill), Limits()))
    assert "Oslo\t5\nBergen\t6" in found[-1].text


def test_a_damaged_chart_costs_only_itself(tmp_path):
    def fill(book):
        sheet = book.add_worksheet("Data")
        sheet.write("A1", "kept")
        chart = book.add_chart({"type": "bar"})
        chart.add_series({"values": "=Data!$A$1:$A$1"})
        sheet.insert_chart("D1", chart)

    file = workbook(tmp_path, fill)
    replaced(file, {"xl/charts/chart1.xml": b"\0\0"})
    pieces = list(spreadsheet.read(file, Limits()))
    assert [b.text for b in blocks(pieces)] == ["Data", "kept"]
    assert "chart_unreadable" in codes(pieces)


def test_long_sheets_come_in_blocks(tmp_path):
    def fill(book):
        sheet = book.add_worksheet("Long")
        for i in range(1200):
            sheet.write_row(i, 0, [i, f"row {i}"])

    found = blocks(spreadsheet.read(workbook(tmp_path, fill), Limits()))
    assert sum(b.text.count("row ") for b in found) == 1200


# --- hostile


def make(kind, tmp_path):
    file = tmp_path / f"a.{kind}"
    if kind == "docx":
        document = docx.Document()
        document.add_paragraph("text " * 500)
        document.save(str(file))
    elif kind == "pptx":
        deck = pptx.Presentation()
        deck.slides.add_slide(deck.slide_layouts[5])
        deck.save(str(file))
    else:
        file = workbook(tmp_path, lambda book: book.add_worksheet().write("A1", "text"))
    return file


READ = {"docx": docx_reader.read, "pptx": pptx_reader.read, "xlsx": spreadsheet.read}
MAIN = {
    "docx": "word/document.xml",
    "pptx": "ppt/slides/slide1.xml",
    "xlsx": "xl/worksheets/sheet1.xml",
}


@pytest.mark.parametrize("kind", READ)
@pytest.mark.parametrize("keep", [0.1, 0.5, 0.9, 0.99])
def test_a_truncated_file_is_refused_with_what_to_do(tmp_path, kind, keep):
    file = make(kind, tmp_path)
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * keep)])
    with pytest.raises(InvalidInput, match="add it again") as info:
        list(READ[kind](file, Limits()))
    assert info.value.context["code"] in ("truncated", "malformed")


@pytest.mark.parametrize("kind", READ)
def test_flipped_bytes_end_in_text_or_in_an_error_of_ours(tmp_path, kind):
    file = make(kind, tmp_path)
    content = file.read_bytes()
    for i in range(40):
        at = (i * 7919) % len(content)
        file.write_bytes(
            content[:at] + bytes([content[at] ^ (1 + i * 37 % 255)]) + content[at + 1 :]
        )
        try:
            Builder().feed(READ[kind](file, Limits()))
        except Error as error:
            assert error.context.get("code")  # noqa: PT017, either outcome is right


@pytest.mark.parametrize("kind", READ)
def test_a_bomb_inside_is_found_while_inflating(tmp_path, kind):
    file = make(kind, tmp_path)
    replaced(file, {MAIN[kind]: b"<a>" + b" " * 80_000_000 + b"</a>"})
    with pytest.raises(LimitExceeded) as info:
        list(READ[kind](file, Limits()))
    assert info.value.context["code"] == "zip_bomb"


@pytest.mark.parametrize("kind", ["docx", "pptx"])
def test_an_entity_bomb_inside_does_not_go_off(tmp_path, kind):
    file = make(kind, tmp_path)
    bomb = '<!DOCTYPE l [<!ENTITY a "lol">' + "".join(
        f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    )
    replaced(file, {MAIN[kind]: bomb + "]><l>&i;</l>"})
    try:
        found = blocks(READ[kind](file, Limits()))
    except InvalidInput as error:
        assert error.context["code"] == "malformed"  # noqa: PT017, either outcome is right
    else:
        assert sum(len(b.text) for b in found) < 1000


def compound(*names: str) -> bytes:
    """A compound file whose streams are empty: header, one sector of FAT, one of directory."""
    header = ole.MAGIC + bytes(16) + struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6) + bytes(6)
    header += struct.pack("<IIIIIIIII", 0, 1, 1, 0, 4096, 0xFFFFFFFE, 0, 0xFFFFFFFE, 0)
    header += struct.pack("<I", 0) + b"\xff" * 4 * 108
    fat = struct.pack("<II", 0xFFFFFFFD, 0xFFFFFFFE) + b"\xff" * (512 - 8)
    rows = []
    for i, name in enumerate(("Root Entry", *names)):
        raw = name.encode("utf-16-le") + b"\0\0"
        right = i + 1 if 0 < i < len(names) else 0xFFFFFFFF
        child = 1 if i == 0 and names else 0xFFFFFFFF
        rows.append(
            raw.ljust(64, b"\0") + struct.pack("<HBB", len(raw), 5 if i == 0 else 2, 1)
            + struct.pack("<III", 0xFFFFFFFF, right, child) + bytes(36) + struct.pack("<IQ", 0xFFFFFFFE, 0)
        )  # fmt: skip
    return header + fat + b"".join(rows).ljust(512, b"\0")


def test_a_word_file_under_a_password_is_recognised_and_refused(tmp_path):
    file = tmp_path / "content"
    file.write_bytes(compound("EncryptionInfo", "EncryptedPackage"))
    assert recognise(file, "contract.docx") == ENCRYPTED_OFFICE
    with pytest.raises(InvalidInput, match="protected by a password") as info:
        list(encrypted.read(file, Limits()))
    assert info.value.context["code"] == "encrypted"


@pytest.mark.parametrize("n", [8, 100, 511, 600, 1023])
def test_a_truncated_compound_file_is_no_crash(tmp_path, n):
    file = tmp_path / "content"
    file.write_bytes(compound("WordDocument", "1Table")[:n])
    assert recognise(file, "a.doc") in ("application/x-ole-storage", "application/msword")


def test_offsets_of_all_cells_hold_in_the_joined_text(tmp_path):
    document = docx.Document()
    document.add_paragraph("before")
    table = document.add_table(2, 2)
    for r in range(2):
        for c in range(2):
            table.cell(r, c).text = f"cell {r}{c}"
    file = Path(tmp_path) / "a.docx"
    document.save(str(file))
    builder = Builder()
    builder.feed(docx_reader.read(file, Limits()))
    text = builder.build()
    found = [text.text[a:b] for a, b in zip(text.cell_start, text.cell_end, strict=True)]
    assert found == ["cell 00", "cell 01", "cell 10", "cell 11"]


def test_the_same_file_gives_the_same_bytes(tmp_path):
    file = make("docx", tmp_path)
    results = []
    for _ in range(2):
        builder = Builder()
        builder.feed(docx_reader.read(file, Limits()))
        results.append(builder.build().dump())
    assert results[0] == results[1]


def test_an_empty_zip_with_the_right_name_is_malformed(tmp_path):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
    file = tmp_path / "a.docx"
    file.write_bytes(out.getvalue())
    for read in READ.values():
        with pytest.raises(InvalidInput):
            list(read(file, Limits()))
