"""Images: PNG, JPEG, TIFF (a page a frame), WebP, BMP and GIF, read by OCR."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError

from salient.errors import InvalidInput, LimitExceeded
from salient.model import Metadata, Note, Part, Piece
from salient.readers import Limits, ocr
from salient.readers.pdf_blocks import Composer, Sizes, Vocabulary

VERSION = 1

_MAX_PIXELS = 120_000_000
"""A frame larger than this is refused before it is unpacked: a small file can hold a huge one."""
_SHARE_OF_MEMORY = 0.6
_OCR_PIXELS = 30_000_000
_OCR_SIDE = 32_000
_ROW_BYTES = 32
"""What a row of pixels costs beside them, in the copies that are made."""
_USUAL_DPI = 200.0


def read(file: Path, limits: Limits) -> Iterator[Piece]:
    """Each frame as a page; an image without text is a page without blocks and a note."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of sizes and of damaged tags; we check both
        Image.MAX_IMAGE_PIXELS = None
        try:
            image = Image.open(file)
        except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as exc:
            raise InvalidInput(
                "the image is damaged: open it in its own program, save it anew and add it again",
                code="malformed",
            ) from exc
        with image:
            yield from _frames(image, limits)


def _frames(image: Image.Image, limits: Limits) -> Iterator[Piece]:
    total = int(getattr(image, "n_frames", 1))
    animated = image.format in ("GIF", "WEBP", "PNG")
    yield Metadata({"pages": "1" if animated else str(total)})
    # An animation's frames are one picture that moves, not pages.
    n = 1 if animated else min(total, limits.max_pages, limits.ocr_pages)
    sizes, vocabulary = Sizes(), Vocabulary()
    for index in range(n):
        try:
            image.seek(index)
            pixels = image.width * image.height
            # A JPEG is unpacked small and grey when it is large; others as they are, and then copied.
            bands = 1 if image.format == "JPEG" else 2 * len(image.getbands())
            unpacked = pixels * bands + _ROW_BYTES * image.height
            if pixels > _MAX_PIXELS or unpacked > _SHARE_OF_MEMORY * limits.memory_bytes:
                raise LimitExceeded(
                    f"the image has {image.width} x {image.height} pixels: scale it down and add "
                    "it again",
                    code="too_large",
                    pixels=pixels,
                )
            frame, dpi = _upright(image)
        except (OSError, ValueError, SyntaxError, EOFError, IndexError) as exc:
            if index == 0:
                raise InvalidInput(
                    "the image ends in the middle or is damaged: copy it again and add it again",
                    code="truncated",
                ) from exc
            yield Note("page_damaged", f"page {index + 1} is damaged and was left out", index + 1)
            break
        yield from _page(frame, dpi, index + 1, sizes, vocabulary)
    if not animated and total > n:
        yield Note(
            "pages_left_out",
            f"pages {n + 1}-{total} were left out: the limit is {n} pages of OCR",
            n + 1,
        )


def _upright(image: Image.Image) -> tuple[Image.Image, float]:
    """The frame as a viewer shows it, no larger than OCR takes, and its dots per inch."""
    dpi = _dpi(image)
    pixels = image.width * image.height
    if image.format == "JPEG" and pixels > _OCR_PIXELS:
        image.draft("L", (image.width // 2, image.height // 2))
        dpi *= (image.width * image.height / pixels) ** 0.5
    frame = ImageOps.exif_transpose(image)
    pixels = frame.width * frame.height
    factor = min(1.0, (_OCR_PIXELS / pixels) ** 0.5, _OCR_SIDE / max(frame.size))
    if factor < 1:
        frame = frame.convert("L").resize(
            (max(1, int(frame.width * factor)), max(1, int(frame.height * factor)))
        )
        dpi *= factor
    return frame, dpi


def _dpi(image: Image.Image) -> float:
    """As the file says, if it can be true of a page; else guessed from the size."""
    given = image.info.get("dpi")
    try:
        stated = float(given[0]) if given else 0.0
    except (TypeError, ValueError, IndexError, ZeroDivisionError):
        stated = 0.0
    if 90 <= stated <= 1200:
        return stated
    # A page photographed or scanned whole is about eight inches wide.
    return min(max(min(image.size) / 8.3, 72.0), 400.0) if min(image.size) > 900 else _USUAL_DPI / 2


def _page(
    frame: Image.Image, dpi: float, number: int, sizes: Sizes, vocabulary: Vocabulary
) -> Iterator[Piece]:
    from salient.readers.pdf import leaf

    if not ocr.available():
        yield Note("ocr_unavailable", "the image was not read: no OCR language data is installed")
        return
    width, height = frame.width * 72 / dpi, frame.height * 72 / dpi
    reading = ocr.read_image(frame, dpi)
    words = [word for column in reading.columns for held in column for word in held.words]
    sizes.learn(words)
    vocabulary.learn(words)
    composer = Composer(width, height, sizes, vocabulary, {})
    blocks = [block for column in reading.columns for block in leaf(composer, column, [])]
    yield Part(blocks, number, width, height, "ocr")
    if not blocks:
        yield Note("no_text", f"no text was found in the image on page {number}", number)
