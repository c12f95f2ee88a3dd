"""PDF: bad files first, then order, boxes, structure, forms and attachments, on files made here."""

import io
import time
from itertools import pairwise

import numpy as np
import pypdfium2 as pdfium
import pytest
from reportlab.lib import pdfencrypt
from reportlab.lib.pagesizes import A4, letter
from reportlab.pdfgen.canvas import Canvas

from salient.errors import InvalidInput
from salient.model import Builder, Child, Kind, Metadata, Note, Part
from salient.readers import Limits
from salient.readers.pdf import read

PROSE = (
    "The supplier shall deliver the goods at the place that the buyer names in the order and "
    "shall bear every risk until the goods have been unloaded there in good condition. "
)


class Made:
    def __init__(self, pieces):
        self.pieces = list(pieces)
        self.parts = [p for p in self.pieces if isinstance(p, Part)]
        self.notes = [p for p in self.pieces if isinstance(p, Note)]
        self.children = [p for p in self.pieces if isinstance(p, Child)]
        self.blocks = [b for p in self.parts for b in p.blocks]
        builder = Builder()
        builder.feed(self.pieces)
        self.text = builder.build()

    def of(self, kind):
        return [b.text for b in self.blocks if b.kind is kind]


@pytest.fixture
def draw(tmp_path):
    """Make a PDF by drawing on a canvas, and read it."""

    def made(paint, *, limits=None, pagesize=letter, **options):
        file = tmp_path / "made.pdf"
        canvas = Canvas(str(file), pagesize=pagesize, invariant=1, **options)
        paint(canvas)
        canvas.save()
        return Made(read(file, limits or Limits()))

    return made


def wrapped(text, width=70):
    lines, line = [], ""
    for word in text.split():
        if len(line) + len(word) + 1 > width:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}".strip()
    return [*lines, line]


def paragraph(canvas, text, x, y, *, size=10, font="Times-Roman", width=70, leading=12):
    canvas.setFont(font, size)
    for line in wrapped(text, width):
        canvas.drawString(x, y, line)
        y -= leading
    return y


def simple(canvas):
    paragraph(canvas, PROSE * 3, 72, 700)
    canvas.showPage()


def data_of(paint, **options):
    out = io.BytesIO()
    canvas = Canvas(out, invariant=1, **options)
    paint(canvas)
    canvas.save()
    return out.getvalue()


def outcome(file):
    """ "pages", or the code of the reason why there are none."""
    try:
        made = Made(read(file, Limits(ocr_pages=0)))
    except InvalidInput as error:
        return error.context["code"]
    return "pages" if made.parts else "nothing"


# Bad files


def test_a_password_is_asked_for(draw):
    lock = pdfencrypt.StandardEncryption("secret", ownerPassword="owner", strength=128)
    with pytest.raises(InvalidInput) as info:
        draw(simple, encrypt=lock)
    assert info.value.context["code"] == "encrypted"


def test_an_empty_user_password_opens(draw):
    lock = pdfencrypt.StandardEncryption("", ownerPassword="owner", strength=128)
    assert draw(simple, encrypt=lock).text.text.startswith("The supplier")


def test_a_file_cut_in_the_middle_gives_its_pages_or_says_truncated(tmp_path):
    data = data_of(lambda c: [simple(c) for _ in range(5)])
    for share in (0.05, 0.3, 0.6, 0.9):
        file = tmp_path / "cut.pdf"
        file.write_bytes(data[: int(share * len(data))])
        assert outcome(file) in ("pages", "truncated", "malformed")


def test_a_lost_table_of_objects_is_mended(tmp_path):
    data = data_of(simple)
    at = data.rindex(b"startxref")
    file = tmp_path / "lost.pdf"
    file.write_bytes(data[:at] + b"startxref\n999999\n%%EOF")
    assert Made(read(file, Limits())).text.text.startswith("The supplier")


def test_ten_thousand_pages_stop_at_the_limit_and_the_rest_is_counted(draw):
    def paint(canvas):
        for n in range(10_000):
            canvas.drawString(72, 500, f"leaf {n}")
            canvas.showPage()

    started = time.monotonic()
    made = draw(paint, limits=Limits(max_pages=200))
    assert time.monotonic() - started < 60
    assert len(made.parts) == 200
    (note,) = made.notes
    assert note.code == "pages_left_out"
    assert "pages 201-10000" in note.message


def test_a_blank_document_says_that_it_has_no_text(draw):
    made = draw(lambda c: c.showPage())
    assert [n.code for n in made.notes] == ["no_text"]
    assert len(made.parts) == 1


# Words and boxes


def test_word_spans_are_the_words_and_boxes_are_on_the_page(draw):
    made = draw(simple)
    for block in made.blocks:
        words = [block.text[a:b] for a, b in block.word_spans]
        assert words == block.text.split()
        assert block.word_boxes.shape == (len(words), 4)
        assert (block.word_boxes[:, :2] < block.word_boxes[:, 2:]).all()


def at(made, word):
    """Middle of a word's box."""
    start = made.text.text.index(word)
    ((_, x0, y0, x1, y1),) = made.text.boxes(start, start + len(word))
    return (x0 + x1) / 2, (y0 + y1) / 2


@pytest.mark.parametrize("angle", [0, 90, 180, 270])
def test_boxes_are_those_of_the_displayed_page_when_it_is_rotated(tmp_path, angle):
    """Where the reader says a word is, the picture of the page is dark, and nowhere else."""
    document = pdfium.PdfDocument(
        data_of(lambda c: (c.setFont("Helvetica", 20), c.drawString(100, 650, "Needle")))
    )
    document[0].set_rotation(angle)
    file = tmp_path / "rotated.pdf"
    document.save(file)
    made = Made(read(file, Limits()))
    assert made.text.text == "Needle"
    ((_, x0, y0, x1, y1),) = made.text.boxes(0, 6)
    page = pdfium.PdfDocument(file)[0]
    dark = np.argwhere(page.render(scale=2, grayscale=True).to_numpy().squeeze() < 128)
    height, width = 2 * page.get_height(), 2 * page.get_width()
    assert (made.parts[0].width_pt, made.parts[0].height_pt) == pytest.approx(
        (width / 2, height / 2)
    )
    inked = dark[:, 1].min() / width, dark[:, 0].min() / height
    till = dark[:, 1].max() / width, dark[:, 0].max() / height
    assert (x0 - 0.01 <= inked[0], y0 - 0.01 <= inked[1]) == (True, True)
    assert (till[0] <= x1 + 0.01, till[1] <= y1 + 0.01) == (True, True)
    assert (x1 - x0) * (y1 - y0) < 0.01


def test_boxes_are_relative_to_the_crop_box_and_text_outside_is_left_out(tmp_path):
    def paint(canvas):
        canvas.drawString(300, 400, "Inside")
        canvas.drawString(20, 20, "Outside")

    document = pdfium.PdfDocument(data_of(paint, pagesize=(600, 800)))
    document[0].set_cropbox(200, 300, 500, 600)
    file = tmp_path / "crop.pdf"
    document.save(file)
    made = Made(read(file, Limits()))
    assert made.text.text == "Inside"
    x, y = at(made, "Inside")
    assert x == pytest.approx((300 + 17 - 200) / 300, abs=0.02)
    assert y == pytest.approx((600 - 404) / 300, abs=0.02)


def test_text_turned_on_its_side_is_read(draw):
    def paint(canvas):
        canvas.rotate(90)
        paragraph(canvas, PROSE * 2, 72, -100)

    assert " ".join(draw(paint).text.text.split()) == (PROSE * 2).strip()


# Order


def columns_page(canvas):
    canvas.setFont("Helvetica-Bold", 16)
    canvas.drawString(72, 740, "A headline over both of the columns")
    paragraph(canvas, "LEFT " + PROSE * 4, 72, 700, width=46)
    paragraph(canvas, "RIGHT " + PROSE * 4, 330, 700, width=46)
    canvas.showPage()


def test_two_columns_are_read_one_after_the_other(draw):
    text = draw(columns_page).text.text
    left, right = text.index("LEFT"), text.index("RIGHT")
    assert text.index("A headline") < left < right
    assert text[left + 5 : right].split() == (PROSE * 4).split()


def test_columns_written_row_by_row_are_still_columns(draw):
    def paint(canvas):
        canvas.setFont("Times-Roman", 10)
        rows = zip(wrapped(PROSE * 4, 46), wrapped(PROSE * 4, 46), strict=True)
        for n, (left, right) in enumerate(rows):
            canvas.drawString(72, 700 - 12 * n, left)
            canvas.drawString(330, 700 - 12 * n, right)

    assert draw(paint).text.text.split() == (PROSE * 8).split()


def test_lines_written_from_the_bottom_up_are_read_from_the_top(draw):
    def paint(canvas):
        canvas.setFont("Times-Roman", 10)
        lines = wrapped(PROSE * 3)
        for n, line in reversed(list(enumerate(lines))):
            canvas.drawString(72, 700 - 12 * n, line)

    assert draw(paint).text.text == (PROSE * 3).strip()


def test_signatures_side_by_side_stay_beside_their_labels(draw):
    def paint(canvas):
        for n, (a, b) in enumerate(
            [("By:", "By:"), ("Name: Ada", "Name: Max"), ("Title: A", "Title: B")]
        ):
            canvas.drawString(72, 300 - 20 * n, a)
            canvas.drawString(330, 300 - 20 * n, b)

    words = draw(paint).text.text.split()
    assert words.index("Ada") < words.index("Max") < words.index("Title:")


# Structure


def test_lines_of_a_paragraph_are_joined_and_paragraphs_parted(draw):
    def paint(canvas):
        y = paragraph(canvas, PROSE * 2, 72, 700)
        paragraph(canvas, "Second. " + PROSE * 2, 72, y - 12)

    made = draw(paint)
    assert made.of(Kind.PARAGRAPH) == [(PROSE * 2).strip(), ("Second. " + PROSE * 2).strip()]


def test_a_word_broken_at_a_line_end_is_one_word_with_two_boxes(draw):
    def paint(canvas):
        canvas.setFont("Times-Roman", 10)
        for n, line in enumerate(
            [
                "The parties acknowledge that the confiden-",
                "tial part of a long-term agreement is not a",
                "thing to be told in every detail, and long-",
                "term partners keep to that without a word.",
            ]
        ):
            canvas.drawString(72, 700 - 12 * n, line)

    made = draw(paint)
    text = made.text.text
    assert "the confidential part" in text
    assert "and long-term partners" in text
    start = text.index("confidential")
    assert len(made.text.boxes(start, start + len("confidential"))) == 2


def test_entries_of_a_table_of_contents_stay_apart(draw):
    def paint(canvas):
        canvas.setFont("Times-Roman", 10)
        for n, entry in enumerate(["Notices", "Trademarks", "Definitions"]):
            canvas.drawString(72, 700 - 12 * n, f"{entry} {'. ' * 60} {n + 1}")

    assert len(draw(paint).blocks) == 3


def test_a_heading_over_two_lines_is_one(draw):
    def paint(canvas):
        canvas.setFont("Helvetica-Bold", 18)
        canvas.drawString(72, 740, "Implement roles and separation")
        canvas.drawString(72, 719, "of duties")
        paragraph(canvas, PROSE * 3, 72, 690)

    assert draw(paint).blocks[0].text == "Implement roles and separation of duties"


def test_footnotes_do_not_decide_how_far_apart_lines_of_the_text_are(draw):
    def paint(canvas):
        y = paragraph(canvas, PROSE * 3, 72, 700, leading=18)
        paragraph(canvas, "1 " + PROSE * 6, 72, y - 20, size=7, width=100, leading=8)

    assert draw(paint).blocks[0].text == (PROSE * 3).strip()


def test_headings_stand_out_by_size_weight_or_number(draw):
    def paint(canvas):
        canvas.setFont("Helvetica-Bold", 20)
        canvas.drawString(72, 740, "Supply Agreement")
        y = paragraph(canvas, PROSE * 2, 72, 700)
        canvas.setFont("Times-Bold", 10)
        canvas.drawString(72, y - 20, "1. Delivery")
        y = paragraph(canvas, PROSE * 2, 72, y - 40)
        canvas.setFont("Times-Bold", 10)
        canvas.drawString(72, y - 20, "1.1 Place of delivery")
        paragraph(canvas, PROSE * 2, 72, y - 40)

    made = draw(paint)
    assert made.of(Kind.TITLE) == ["Supply Agreement"]
    headings = [(b.text, b.level) for b in made.blocks if b.kind is Kind.HEADING]
    assert headings == [("1. Delivery", 1), ("1.1 Place of delivery", 2)]


def test_the_outline_names_headings_and_their_levels(draw):
    def paint(canvas):
        paragraph(canvas, "a quiet heading", 72, 720)
        canvas.bookmarkPage("here")
        canvas.addOutlineEntry("a quiet heading", "here", level=0)
        canvas.bookmarkPage("there")
        canvas.addOutlineEntry("another one", "there", level=1)
        paragraph(canvas, "another one", 72, 690)
        paragraph(canvas, PROSE * 3, 72, 660)

    made = draw(paint)
    headings = [(b.text, b.level) for b in made.blocks if b.kind is not Kind.PARAGRAPH]
    assert headings == [("a quiet heading", 0), ("another one", 2)]


def test_list_items_are_items(draw):
    def paint(canvas):
        canvas.setFont("Times-Roman", 10)
        for n, item in enumerate(["• first thing", "• second thing", "(a) third thing"]):
            canvas.drawString(90, 700 - 14 * n, item)

    assert len(draw(paint).of(Kind.LIST_ITEM)) == 3


def test_running_headers_and_footers_are_told_from_the_text(draw):
    def paint(canvas):
        for n in range(6):
            canvas.setFont("Helvetica", 8)
            canvas.drawString(72, 765, "Master Agreement" if n % 2 else "Acme Corporation")
            canvas.drawString(300, 30, f"Page {n + 1} of 6")
            paragraph(canvas, f"Chapter {n} says: " + PROSE * 6, 72, 720)
            canvas.showPage()

    made = draw(paint)
    assert made.of(Kind.PAGE_HEADER) == ["Acme Corporation", "Master Agreement"] * 3
    assert made.of(Kind.PAGE_FOOTER) == [f"Page {n} of 6" for n in range(1, 7)]
    body = " ".join(made.of(Kind.PARAGRAPH))
    assert "Acme" not in body
    assert "Page" not in body


def table_page(canvas):
    paragraph(canvas, PROSE, 72, 740)
    rows = [("Item", "Quantity", "Price"), ("Steel rods", "12", "1,400.00"), ("Nails", "9", "3.50")]
    canvas.setFont("Helvetica", 10)
    for r, row in enumerate(rows):
        for c, value in enumerate(row):
            canvas.rect(72 + 120 * c, 600 - 20 * r, 120, 20)
            canvas.drawString(76 + 120 * c, 606 - 20 * r, value)
    paragraph(canvas, "After. " + PROSE, 72, 500)


def cells(made):
    (table,) = [b for b in made.blocks if b.kind is Kind.TABLE]
    return {(c.row, c.column): table.text[c.start : c.end] for c in table.cells}, table


def test_a_drawn_table_has_its_cells_in_its_place(draw):
    made = draw(table_page)
    found, table = cells(made)
    assert found[0, 0] == "Item"
    assert found[1, 0] == "Steel rods"
    assert found[2, 2] == "3.50"
    assert len(found) == 9
    assert table.text.splitlines()[1] == "Steel rods\t12\t1,400.00"
    assert [c.header for c in table.cells] == [True] * 3 + [False] * 6
    kinds = [b.kind for b in made.blocks]
    assert kinds == [Kind.PARAGRAPH, Kind.TABLE, Kind.PARAGRAPH]


def test_a_table_without_rules_is_found_by_its_columns(draw):
    def paint(canvas):
        canvas.setFont("Helvetica", 10)
        rows = [
            ("Year", "Revenue", "Profit"),
            ("2019", "410", "12"),
            ("2020", "395", "-3"),
            ("2021", "460", "31"),
        ]
        for r, row in enumerate(rows):
            for c, value in enumerate(row):
                canvas.drawString(72 + 130 * c, 600 - 16 * r, value)

    found, _ = cells(draw(paint))
    assert found[2, 1] == "395"
    assert len(found) == 12


def test_a_cell_over_two_columns_spans_them(draw):
    def paint(canvas):
        canvas.setFont("Helvetica", 10)
        canvas.rect(72, 600, 240, 20)
        canvas.drawString(76, 606, "Both")
        for r in (1, 2):
            for c in (0, 1):
                canvas.rect(72 + 120 * c, 600 - 20 * r, 120, 20)
                canvas.drawString(76 + 120 * c, 606 - 20 * r, f"r{r}c{c}")

    _, table = cells(draw(paint))
    first = table.cells[0]
    assert (first.row_span, first.column_span) == (1, 2)


def test_form_values_are_text(draw):
    def paint(canvas):
        canvas.drawString(72, 700, "Order form")
        canvas.acroForm.textfield(
            name="customer", value="Globex Corporation", x=72, y=600, width=200, height=20
        )
        canvas.acroForm.checkbox(name="agreed", checked=True, x=72, y=550)
        canvas.acroForm.textfield(name="empty", value="", x=72, y=500, width=200, height=20)

    made = draw(paint)
    assert made.of(Kind.FORM_FIELD) == ["customer: Globex Corporation", "agreed: yes"]
    x, y = at(made, "Globex Corporation")
    assert (x, y) == pytest.approx((172 / 612, (792 - 610) / 792), abs=0.01)


def test_attachments_are_children(tmp_path):
    document = pdfium.PdfDocument(data_of(simple))
    document.new_attachment("annex.txt").set_data(b"the annex")
    file = tmp_path / "with.pdf"
    document.save(file)
    assert [(c.name, c.content) for c in Made(read(file, Limits())).children] == [
        ("annex.txt", b"the annex")
    ]


def test_metadata_is_read_and_dates_are_iso(draw):
    def paint(canvas):
        canvas.setTitle("A title")
        canvas.setAuthor("An author")
        simple(canvas)

    fields = next(p for p in draw(paint, pagesize=A4).pieces if isinstance(p, Metadata)).fields
    assert (fields["title"], fields["author"], fields["pages"]) == ("A title", "An author", "1")
    assert fields["created"].startswith("2000-01-01T")


def test_ligatures_are_letters(draw):
    """A search for "office" must find it whatever the font drew."""
    from salient.readers.pdf_words import _text

    assert _text([0x6F, 0xFB03, 0x63, 0x65]) == "office"


def test_reading_twice_gives_equal_bytes(draw):
    def paint(canvas):
        columns_page(canvas)
        table_page(canvas)

    assert draw(paint).text.dump() == draw(paint).text.dump()


def test_blocks_do_not_overlap_and_cover_the_text(draw):
    text = draw(lambda c: (columns_page(c), table_page(c))).text
    for (_, end), (start, _) in pairwise(zip(text.block_start, text.block_end, strict=True)):
        assert text.text[end:start] == "\n\n"


@pytest.mark.parametrize("name", ["pypdf-samples", "docling/pdf/sources"])
def test_real_files_end_with_pages_or_a_reason(shared, name):
    files = sorted((shared / "data" / "docs" / name).rglob("*.pdf"))
    assert files
    for file in files:
        assert outcome(file) in ("pages", "encrypted", "truncated", "malformed"), file
