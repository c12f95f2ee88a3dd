"""Images and scanned pages: what is not a page of text first, then what is."""

import io
import struct
import zlib

import pypdfium2 as pdfium
import pytest
from PIL import Image, ImageDraw, ImageFilter
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from salient.errors import InvalidInput, LimitExceeded
from salient.model import Builder, Kind, Note, Part
from salient.readers import Limits, image, ocr, pdf, render

TEXT = (
    "This agreement is made between Globex Corporation and Initech Limited on the first of May. "
    "Globex Corporation shall pay Initech Limited the sum of 12,500 dollars within thirty days."
)


def page_of(text=TEXT, dpi=150):
    """A page of text as pixels."""
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=(612, 792), invariant=1)
    canvas.setFont("Times-Roman", 12)
    line, y = "", 700
    for word in [*text.split(), None]:
        if word is None or len(line) + len(word) > 70:
            canvas.drawString(72, y, line)
            line, y = "", y - 16
        line = f"{line} {word}".strip()
    canvas.save()
    return pdfium.PdfDocument(out.getvalue())[0].render(scale=dpi / 72).to_pil().convert("L")


@pytest.fixture(scope="module")
def scan():
    return page_of()


def pieces_of(file, reader=image, **limits):
    pieces = list(reader.read(file, Limits(**limits)))
    builder = Builder()
    builder.feed(pieces)
    return builder.build(), pieces


def share(text, truth=TEXT):
    """Words of the truth that were read."""
    have = text.split()
    return sum(word in have for word in truth.split()) / len(truth.split())


def bomb(width, height):
    """A PNG of a few hundred bytes that claims to be huge."""

    def chunk(name, data):
        body = name + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(b"\0" * 99))
        + chunk(b"IEND", b"")
    )


def test_an_image_that_claims_a_billion_pixels_is_refused_unopened(tmp_path):
    (tmp_path / "bomb.png").write_bytes(bomb(60_000, 60_000))
    with pytest.raises(LimitExceeded) as info:
        pieces_of(tmp_path / "bomb.png")
    assert info.value.context["code"] == "too_large"


@pytest.mark.parametrize("keep", [0.02, 0.5])
def test_an_image_cut_in_the_middle_says_so(tmp_path, scan, keep):
    scan.save(tmp_path / "whole.png")
    data = (tmp_path / "whole.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(data[: int(keep * len(data))])
    with pytest.raises(InvalidInput) as info:
        pieces_of(tmp_path / "cut.png")
    assert info.value.context["code"] in ("truncated", "malformed")


def test_bytes_that_are_no_image_are_malformed(tmp_path):
    (tmp_path / "x.png").write_bytes(b"\x89PNG\r\n\x1a\nnonsense")
    with pytest.raises(InvalidInput) as info:
        pieces_of(tmp_path / "x.png")
    assert info.value.context["code"] == "malformed"


def test_an_image_without_text_is_done_with_a_note(tmp_path):
    picture = Image.effect_noise((800, 600), 90).filter(ImageFilter.GaussianBlur(4))
    picture.save(tmp_path / "noise.png")
    text, pieces = pieces_of(tmp_path / "noise.png")
    assert text.text == ""
    assert [p.code for p in pieces if isinstance(p, Note)] == ["no_text"]
    assert sum(isinstance(p, Part) for p in pieces) == 1


def test_a_tiny_image_is_no_failure(tmp_path):
    Image.new("RGB", (3, 3)).save(tmp_path / "dot.png")
    assert pieces_of(tmp_path / "dot.png")[0].text == ""


@pytest.mark.parametrize("form", ["png", "jpg", "tiff", "webp", "bmp", "gif"])
def test_every_image_format_is_read(tmp_path, scan, form):
    scan.save(tmp_path / f"scan.{form}", dpi=(150, 150))
    text, pieces = pieces_of(tmp_path / f"scan.{form}")
    assert share(text.text) > 0.9
    part = next(p for p in pieces if isinstance(p, Part))
    assert part.origin == "ocr"
    assert all(block.word_boxes is not None for block in part.blocks)


def test_words_lie_where_they_are_printed(tmp_path, scan):
    scan.save(tmp_path / "scan.png", dpi=(150, 150))
    text, _ = pieces_of(tmp_path / "scan.png")
    start = text.text.index("Globex")
    page, x0, y0, x1, y1 = text.boxes(start, start + 6)[0]
    assert page == 1
    pixels = scan.crop(
        (int(x0 * scan.width), int(y0 * scan.height), int(x1 * scan.width), int(y1 * scan.height))
    )
    assert pixels.getextrema()[0] < 100
    assert 0.08 < y0 < 0.14


@pytest.mark.parametrize("angle", [90, 180, 270])
def test_a_page_scanned_on_its_side_is_read_and_its_boxes_are_on_its_side(tmp_path, angle):
    whole = page_of(TEXT * 4).rotate(angle, expand=True)
    whole.save(tmp_path / "turned.png", dpi=(150, 150))
    text, _ = pieces_of(tmp_path / "turned.png")
    assert share(text.text) > 0.8
    start = text.text.index("agreement")
    _, x0, y0, x1, y1 = text.boxes(start, start + 9)[0]
    box = (
        int(x0 * whole.width),
        int(y0 * whole.height),
        int(x1 * whole.width),
        int(y1 * whole.height),
    )
    assert whole.crop(box).getextrema()[0] < 120
    if angle != 180:
        assert box[3] - box[1] > box[2] - box[0]


def test_a_tiff_has_a_page_a_frame(tmp_path, scan):
    scan.save(tmp_path / "two.tiff", save_all=True, append_images=[page_of("Another page. " * 12)])
    text, _ = pieces_of(tmp_path / "two.tiff")
    assert list(text.page_number) == [1, 2]
    assert "Another page." in text.text[text.page_start[1] :]


def test_frames_beyond_the_limit_are_counted(tmp_path):
    frames = [Image.new("L", (50, 50), 255)] * 5
    frames[0].save(tmp_path / "many.tiff", save_all=True, append_images=frames[1:])
    _, pieces = pieces_of(tmp_path / "many.tiff", ocr_pages=2)
    (note,) = [p for p in pieces if isinstance(p, Note) and p.code == "pages_left_out"]
    assert note.message.startswith("pages 3-5")


def scanned_pdf(path, *images, stamp=None):
    canvas = Canvas(str(path), pagesize=(612, 792), invariant=1)
    for picture in images:
        canvas.drawImage(ImageReader(picture), 0, 0, 612, 792)
        if stamp:
            canvas.drawString(72, 20, stamp)
        canvas.showPage()
    canvas.save()


def test_a_page_that_is_a_picture_is_read_by_ocr(tmp_path, scan):
    scanned_pdf(tmp_path / "scan.pdf", scan)
    text, pieces = pieces_of(tmp_path / "scan.pdf", pdf)
    assert share(text.text) > 0.9
    assert [p.origin for p in pieces if isinstance(p, Part)] == ["ocr"]
    assert text.page_ocr.all()


def test_a_stamp_on_a_picture_does_not_pass_for_its_text(tmp_path, scan):
    scanned_pdf(tmp_path / "stamp.pdf", scan, stamp="Received 2021")
    assert share(pieces_of(tmp_path / "stamp.pdf", pdf)[0].text) > 0.9


def test_only_the_pages_without_text_are_recognised(tmp_path, scan):
    canvas = Canvas(str(tmp_path / "mixed.pdf"), pagesize=(612, 792), invariant=1)
    canvas.drawString(72, 700, "A page of text of its own.")
    canvas.showPage()
    canvas.drawImage(ImageReader(scan), 0, 0, 612, 792)
    canvas.showPage()
    canvas.save()
    _, pieces = pieces_of(tmp_path / "mixed.pdf", pdf)
    assert [p.origin for p in pieces if isinstance(p, Part)] == ["text", "ocr"]


def test_pictures_beyond_the_limit_are_counted(tmp_path, scan):
    scanned_pdf(tmp_path / "three.pdf", scan, scan, scan)
    _, pieces = pieces_of(tmp_path / "three.pdf", pdf, ocr_pages=1)
    (note,) = [p for p in pieces if isinstance(p, Note)]
    assert (note.code, note.page) == ("pages_not_recognised", 2)
    assert note.message.startswith("2 pages are images")


def test_a_white_image_on_black_ground_is_read(tmp_path):
    picture = Image.eval(page_of(TEXT * 2), lambda v: 255 - v)
    picture.save(tmp_path / "inverse.png", dpi=(150, 150))
    assert share(pieces_of(tmp_path / "inverse.png")[0].text) > 0.8


def test_transparency_is_white(tmp_path, scan):
    clear = Image.new("RGBA", scan.size, (0, 0, 0, 0))
    clear.paste((0, 0, 0, 255), mask=scan.point(lambda v: 255 if v < 128 else 0))
    clear.save(tmp_path / "clear.png", dpi=(150, 150))
    assert share(pieces_of(tmp_path / "clear.png")[0].text) > 0.9


def test_english_can_be_read_here():
    assert "eng" in ocr.languages()
    assert "osd" not in ocr.languages()


# Pictures for the viewer


def test_a_page_is_shown_as_it_is_displayed(tmp_path, scan):
    scanned_pdf(tmp_path / "scan.pdf", scan)
    shown = Image.open(
        io.BytesIO(render.page_image(tmp_path / "scan.pdf", "application/pdf", 1, 1.0))
    )
    assert shown.size == (612, 792)
    scan.save(tmp_path / "scan.png")
    shown = Image.open(io.BytesIO(render.page_image(tmp_path / "scan.png", "image/png", 1, 0.5)))
    assert shown.size == (round(scan.width / 2), round(scan.height / 2))


def test_a_page_that_is_not_there_is_not_found(tmp_path, scan):
    from salient.errors import NotFound, Unsupported

    scanned_pdf(tmp_path / "scan.pdf", scan)
    for page in (0, 2):
        with pytest.raises(NotFound):
            render.page_image(tmp_path / "scan.pdf", "application/pdf", page)
    with pytest.raises(Unsupported):
        render.page_image(tmp_path / "scan.pdf", "text/plain", 1)


def test_a_huge_scale_is_held(tmp_path):
    canvas = Canvas(str(tmp_path / "big.pdf"), pagesize=(5000, 5000))
    canvas.drawString(10, 10, "x")
    canvas.save()
    data = render.page_image(tmp_path / "big.pdf", "application/pdf", 1, 20)
    with Image.open(io.BytesIO(data)) as shown:
        assert shown.width * shown.height <= 25_100_000


def test_a_drawing_is_kept_out_of_headings(tmp_path):
    """A photograph's noise must not become blocks."""
    picture = Image.new("L", (900, 900), 255)
    pen = ImageDraw.Draw(picture)
    for n in range(0, 900, 30):
        pen.ellipse((n, n // 2, n + 200, n // 2 + 200), outline=0)
    picture.save(tmp_path / "rings.png")
    text, pieces = pieces_of(tmp_path / "rings.png")
    blocks = [b for p in pieces if isinstance(p, Part) for b in p.blocks]
    assert len(text.text) < 40
    assert not any(b.kind is Kind.TITLE for b in blocks)
