"""Text of images: Tesseract, one engine a process, a page at a time.

Not thread-safe: it belongs to the conversion child, which reads one file at a time.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from salient.errors import Unsupported
from salient.readers.pdf_order import Line, Segment, line, segments
from salient.readers.pdf_words import Word

if TYPE_CHECKING:
    from PIL.Image import Image

NEEDED = "needs_ocr"
"""The code of a conversion that met an image which is to be read elsewhere."""

_MIN_CONFIDENCE = 12.0  # of a word; below it is a smudge
_MIN_MEAN = 42.0  # of an image; below it is a picture of something else than text
_DOUBTFUL_MEAN = 65.0
_SMALLEST = 24  # pixels a side


@dataclass(slots=True)
class Reading:
    """What was read from one image.

    `columns` holds the lines of each text region in reading order, in points at the image's
    resolution, origin top left.
    """

    columns: list[list[Line]] = field(default_factory=list)
    confidence: float = 0.0
    """Mean over characters, 0..100."""
    n_characters: int = 0


def data_folder() -> Path | None:
    """Where the language data is, None when there is none."""
    wanted = [Path(sys.prefix) / "share" / "tessdata"]
    if prefix := os.environ.get("TESSDATA_PREFIX"):
        wanted.insert(0, Path(prefix))
    wanted += sorted(Path("/usr/share/tesseract-ocr").glob("*/tessdata"), reverse=True)
    wanted.append(Path("/usr/share/tessdata"))
    return next((folder for folder in wanted if any(folder.glob("*.traineddata"))), None)


def languages() -> list[str]:
    """Languages that can be read here, by Tesseract's names; empty where OCR cannot run."""
    folder = data_folder()
    if folder is None:
        return []
    return sorted(f.stem for f in folder.glob("*.traineddata") if f.stem not in ("osd", "equ"))


@cache
def _engine() -> Any:
    """The engine, or None where there is no language data."""
    import tesserocr

    folder, known = data_folder(), languages()
    if folder is None or not known:
        return None
    language = "eng" if "eng" in known else known[0]
    engine = tesserocr.PyTessBaseAPI(path=str(folder), lang=language, psm=tesserocr.PSM.AUTO)
    engine.SetVariable("debug_file", os.devnull)
    return engine


_left = False


def leave(*, elsewhere: bool) -> None:
    """Say whether images are read in this process from now on, or left to those made for it."""
    global _left  # noqa: PLW0603 - one engine a process, one file at a time
    _left = elsewhere


def available() -> bool:
    """Whether images can be read here."""
    return bool(languages())


def read_image(image: Image, dpi: float) -> Reading:
    """Read one image, upright or turned by quarters.

    An image without text gives an empty reading. Cost: about a second of CPU for a page of prose.
    """
    if _left:
        raise Unsupported("it has pages to be read as images", code=NEEDED)
    if min(image.size) < _SMALLEST or not available():
        return Reading()
    image = _prepared(image)
    if _is_blank(image):
        return Reading()
    best = _read(image, dpi, 0)
    if best.confidence < _DOUBTFUL_MEAN:
        turn = _turned_by(image)
        if turn:
            other = _read(image.rotate(turn, expand=True), dpi, turn)
            if other.confidence > best.confidence:
                best = other
    return best if best.confidence >= _MIN_MEAN else Reading()


def _prepared(image: Image) -> Image:
    """Grey, on white where the image lets something through."""
    from PIL import Image as Images

    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        white = Images.new("RGBA", rgba.size, "white")
        white.alpha_composite(rgba)
        image = white
    return image if image.mode == "L" else image.convert("L")


def _is_blank(image: Image) -> bool:
    low, high = image.getextrema()
    return isinstance(low, int) and isinstance(high, int) and high - low < 16


def _turned_by(image: Image) -> int:
    """Degrees to turn the image counter-clockwise to have it upright: 0, 90, 180 or 270."""
    import tesserocr

    folder = data_folder()
    if folder is None or not (folder / "osd.traineddata").exists():
        return 0
    try:
        with tesserocr.PyTessBaseAPI(
            path=str(folder), lang="osd", psm=tesserocr.PSM.OSD_ONLY
        ) as engine:
            engine.SetImage(image)
            found = engine.DetectOrientationScript()
    except RuntimeError:  # built without the older engine, which tells directions
        return 0
    if not found or found["orient_conf"] < 1.0:
        return 0
    return int(found["orient_deg"]) % 360


def _read(image: Image, dpi: float, turn: int) -> Reading:
    import tesserocr

    engine = _engine()
    engine.SetImage(image)
    engine.SetSourceResolution(round(dpi))
    scale = 72.0 / dpi
    reading = Reading()
    weight = 0.0
    try:
        engine.Recognize()
        iterator = engine.GetIterator()
        if iterator is None:
            return reading
        regions: list[list[list[Word]]] = []
        order = 0
        for item in tesserocr.iterate_level(iterator, tesserocr.RIL.WORD):
            if item.Empty(tesserocr.RIL.WORD):
                continue
            if item.IsAtBeginningOf(tesserocr.RIL.BLOCK) or not regions:
                regions.append([])
            if item.IsAtBeginningOf(tesserocr.RIL.TEXTLINE) or not regions[-1]:
                regions[-1].append([])
            text = (item.GetUTF8Text(tesserocr.RIL.WORD) or "").strip()
            confidence = item.Confidence(tesserocr.RIL.WORD)
            row = item.BoundingBox(tesserocr.RIL.TEXTLINE)
            box = item.BoundingBox(tesserocr.RIL.WORD)
            if not text or box is None or row is None or confidence < _MIN_CONFIDENCE:
                continue
            reading.n_characters += len(text)
            weight += confidence * len(text)
            x0, y0, x1, y1 = (value * scale for value in box)
            regions[-1][-1].append(
                Word(
                    "".join(text.split()),
                    x0,
                    y0,
                    x1,
                    y1,
                    (row[3] - row[1]) * scale,
                    _turned_back((x0, y0, x1, y1), turn, image.width * scale, image.height * scale),
                    order,
                )
            )
            order += 1
    finally:
        engine.Clear()
    reading.confidence = weight / reading.n_characters if reading.n_characters else 0.0
    reading.columns = _columns(regions)
    return reading


def _turned_back(
    box: tuple[float, float, float, float], turn: int, width: float, height: float
) -> tuple[float, float, float, float]:
    """A box of the turned image on the image as it came."""
    x0, y0, x1, y1 = box
    match turn:
        case 90:  # the image was turned counter-clockwise
            return height - y1, x0, height - y0, x1
        case 180:
            return width - x1, height - y1, width - x0, height - y0
        case 270:
            return y0, width - x1, y1, width - x0
        case _:
            return box


def _columns(regions: list[list[list[Word]]]) -> list[list[Line]]:
    heights = [row[0].size for region in regions for row in region if row]
    if not heights:
        return []
    usual = median(heights)
    columns: list[list[Line]] = []
    for region in regions:
        made: list[Line] = []
        for row in region:
            if not row:
                continue
            # A line's height hangs on its letters ("ace" or "Aqy"): only a clear step is a size.
            size = 0.75 * (row[0].size if row[0].size > 1.45 * usual else usual)
            top, bottom = min(w.y0 for w in row), max(w.y1 for w in row)
            for word in row:
                word.size, word.y0, word.y1 = size, top, bottom
            parts: list[Segment] = segments(row)
            parts.sort(key=lambda s: s.words[0].order)
            made.append(line(parts))
        if made:
            columns.append(made)
    return columns
