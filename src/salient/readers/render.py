"""Pictures of pages for a viewer. In this process, so for files that a conversion has already read."""

from __future__ import annotations

import io
import threading
import warnings
from pathlib import Path

import pypdfium2 as pdfium
from PIL import Image, ImageOps, UnidentifiedImageError

from salient.errors import InvalidInput, NotFound, Unsupported

_MAX_PIXELS = 25_000_000
_MAX_SOURCE_PIXELS = 120_000_000
_QUALITY = 82

# PDFium is not thread-safe, not even over different documents.
_lock = threading.Lock()


def can_render(media_type: str) -> bool:
    return media_type == "application/pdf" or media_type.startswith("image/")


def page_image(file: Path, media_type: str, page: int, scale: float = 1.5) -> bytes:
    """One page as JPEG, as it is displayed: rotated and cropped, forms filled.

    Args:
        page: 1-based.
        scale: pixels a point (1/72 inch) for a PDF; for an image, of its own pixels. Reduced where
            the picture would exceed 25 million pixels.

    Raises:
        NotFound: there is no such page.
        Unsupported: the format has no pages to show.
        InvalidInput: the file cannot be opened, or the scale is not positive.
    """
    if not 0 < scale <= 20:
        raise InvalidInput(f"a page cannot be shown at scale {scale}", scale=scale)
    if media_type == "application/pdf":
        with _lock:
            picture = _pdf_page(file, page, scale)
    elif media_type.startswith("image/"):
        picture = _frame(file, page, scale)
    else:
        raise Unsupported(f"{media_type} has no pages to show", media_type=media_type)
    out = io.BytesIO()
    picture.convert("RGB").save(out, "JPEG", quality=_QUALITY, optimize=True)
    return out.getvalue()


def _pdf_page(file: Path, page: int, scale: float) -> Image.Image:
    from salient.readers.pdf_file import open_pdf

    document = open_pdf(file)
    try:
        if not 1 <= page <= len(document):
            raise NotFound(f"there is no page {page}", page=page, pages=len(document))
        document.init_forms()
        shown = document[page - 1]
        width, height = shown.get_size()
        pixels = width * height * scale * scale
        if pixels > _MAX_PIXELS:
            scale *= (_MAX_PIXELS / pixels) ** 0.5
        bitmap = shown.render(scale=scale, may_draw_forms=True)
        picture: Image.Image = bitmap.to_pil().copy()
        bitmap.close()
    except pdfium.PdfiumError as exc:
        raise InvalidInput(f"page {page} is damaged and cannot be shown", code="malformed") from exc
    finally:
        document.close()
    return picture


def _frame(file: Path, page: int, scale: float) -> Image.Image:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(file) as image:
                if not 1 <= page <= int(getattr(image, "n_frames", 1)):
                    raise NotFound(f"there is no page {page}", page=page)
                image.seek(page - 1)
                if image.width * image.height > _MAX_SOURCE_PIXELS:
                    raise InvalidInput("the image is too large to be shown", code="too_large")
                picture = ImageOps.exif_transpose(image)
                picture.load()
        except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as exc:
            if isinstance(exc, NotFound | InvalidInput):
                raise
            raise InvalidInput(
                "the image is damaged and cannot be shown", code="malformed"
            ) from exc
    pixels = picture.width * picture.height * scale * scale
    if pixels > _MAX_PIXELS:
        scale *= (_MAX_PIXELS / pixels) ** 0.5
    if scale != 1:
        picture = picture.convert("RGB").resize(
            (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
        )
    return picture
