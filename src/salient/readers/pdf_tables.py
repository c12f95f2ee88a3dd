"""Tables of a page: drawn ones from their rules, undrawn ones from how their columns stand.

Coordinates are points of the displayed page, origin top left.
"""

from __future__ import annotations

import ctypes
import re
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from salient.readers.pdf_order import Line, Segment
from salient.readers.pdf_words import Word

_MAX_OBJECTS = 4000  # of one page: a map has a million strokes and no table
_MAX_RULES = 600
_LEVEL, _UPRIGHT = False, True
_THIN = 2.5
_SHORTEST = 6.0
_TOUCH = 3.0
_MAX_CELLS = 4000

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Rule:
    """A drawn line: at `at`, from `start` to `end`."""

    upright: bool
    at: float
    start: float
    end: float


@dataclass(slots=True)
class GridCell:
    row: int
    column: int
    row_span: int = 1
    column_span: int = 1
    words: list[Word] = field(default_factory=list)
    box: Box = (0.0, 0.0, 0.0, 0.0)


@dataclass(slots=True)
class Grid:
    """A table: cells in row-major order, those with no words included."""

    cells: list[GridCell]
    box: Box
    n_rows: int
    n_columns: int


def rules(page: pdfium.PdfPage, place: Callable[[Box], Box]) -> list[Rule]:
    """The straight level and upright lines that a page draws."""
    found: list[Rule] = []
    n = min(pdfium_c.FPDFPage_CountObjects(page.raw), _MAX_OBJECTS)
    left, bottom = ctypes.c_float(), ctypes.c_float()
    right, top = ctypes.c_float(), ctypes.c_float()
    for index in range(n):
        handle = pdfium_c.FPDFPage_GetObject(page.raw, index)
        if pdfium_c.FPDFPageObj_GetType(handle) != pdfium_c.FPDF_PAGEOBJ_PATH:
            continue
        if not pdfium_c.FPDFPageObj_GetBounds(
            handle, ctypes.byref(left), ctypes.byref(bottom), ctypes.byref(right), ctypes.byref(top)
        ):
            continue
        box = place((left.value, bottom.value, right.value, top.value))
        n_segments = pdfium_c.FPDFPath_CountSegments(handle)
        if min(box[2] - box[0], box[3] - box[1]) > _THIN and n_segments > 6:
            found += _path(handle, n_segments, place)
        else:
            found += _box_rules(box)
        if len(found) > _MAX_RULES:
            return []
    return found


def _box_rules(box: Box) -> list[Rule]:
    x0, y0, x1, y1 = box
    wide, high = x1 - x0, y1 - y0
    if high <= _THIN:
        return [Rule(_LEVEL, (y0 + y1) / 2, x0, x1)] if wide >= _SHORTEST else []
    if wide <= _THIN:
        return [Rule(_UPRIGHT, (x0 + x1) / 2, y0, y1)] if high >= _SHORTEST else []
    if wide < _SHORTEST or high < _SHORTEST:
        return []
    return [
        Rule(_LEVEL, y0, x0, x1),
        Rule(_LEVEL, y1, x0, x1),
        Rule(_UPRIGHT, x0, y0, y1),
        Rule(_UPRIGHT, x1, y0, y1),
    ]


def _path(
    handle: pdfium_c.FPDF_PAGEOBJECT, n_segments: int, place: Callable[[Box], Box]
) -> list[Rule]:
    """The level and upright strokes of a path that draws more than one box."""
    if n_segments > 400:
        return []
    matrix = pdfium_c.FS_MATRIX()
    if not pdfium_c.FPDFPageObj_GetMatrix(handle, ctypes.byref(matrix)):
        return []
    found: list[Rule] = []
    x, y = ctypes.c_float(), ctypes.c_float()
    before: tuple[float, float] | None = None
    for index in range(n_segments):
        segment = pdfium_c.FPDFPath_GetPathSegment(handle, index)
        pdfium_c.FPDFPathSegment_GetPoint(segment, ctypes.byref(x), ctypes.byref(y))
        point = (
            matrix.a * x.value + matrix.c * y.value + matrix.e,
            matrix.b * x.value + matrix.d * y.value + matrix.f,
        )
        kind = pdfium_c.FPDFPathSegment_GetType(segment)
        if kind == pdfium_c.FPDF_SEGMENT_LINETO and before is not None:
            box = place(
                (
                    min(before[0], point[0]),
                    min(before[1], point[1]),
                    max(before[0], point[0]),
                    max(before[1], point[1]),
                )
            )
            if min(box[2] - box[0], box[3] - box[1]) < 0.5:
                found += _box_rules(box)
        before = point
    return found


def drawn(strokes: Sequence[Rule], words: Sequence[Word], *, page_area: float) -> list[Grid]:
    """Tables whose cells are drawn. Words are assigned to the cell that holds their middle."""
    grids: list[Grid] = []
    for group in _connected(strokes):
        grid = _grid(group, page_area)
        if grid is not None:
            grids.append(grid)
    # A grid within a grid is the inner cells' own frame; the larger one is the table.
    grids.sort(key=lambda g: -_area(g.box))
    kept: list[Grid] = []
    for grid in grids:
        if not any(_inside(grid.box, other.box) for other in kept):
            kept.append(grid)
    useful: list[Grid] = []
    for grid in kept:
        _assign(grid, words)
        filled = sum(bool(cell.words) for cell in grid.cells)
        if filled >= 3 and len({c.column for c in grid.cells if c.words}) >= 2:
            useful.append(grid)
    return useful


def mirrored(grid: Grid) -> Grid:
    """The same table with its first column at the right, as Arabic and Hebrew have it."""
    cells = [
        replace(cell, column=grid.n_columns - cell.column - cell.column_span) for cell in grid.cells
    ]
    cells.sort(key=lambda c: (c.row, c.column))
    return Grid(cells, grid.box, grid.n_rows, grid.n_columns)


def _connected(strokes: Sequence[Rule]) -> list[list[Rule]]:
    parent = list(range(len(strokes)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    level = [i for i, r in enumerate(strokes) if not r.upright]
    upright = [i for i, r in enumerate(strokes) if r.upright]
    for i in level:
        a = strokes[i]
        for j in upright:
            b = strokes[j]
            if (
                a.start - _TOUCH <= b.at <= a.end + _TOUCH
                and b.start - _TOUCH <= a.at <= b.end + _TOUCH
            ):
                parent[root(i)] = root(j)
    groups: dict[int, list[Rule]] = {}
    for i, stroke in enumerate(strokes):
        groups.setdefault(root(i), []).append(stroke)
    return [g for g in groups.values() if len(g) >= 4]


def _places(values: Sequence[float]) -> list[float]:
    """Values apart by more than a touch, the near ones averaged."""
    groups: list[list[float]] = []
    for value in sorted(values):
        if groups and value - groups[-1][-1] <= _TOUCH:
            groups[-1].append(value)
        else:
            groups.append([value])
    return [sum(g) / len(g) for g in groups]


def _grid(group: Sequence[Rule], page_area: float) -> Grid | None:
    level = [r for r in group if not r.upright]
    upright = [r for r in group if r.upright]
    ys, xs = _places([r.at for r in level]), _places([r.at for r in upright])
    n_rows, n_columns = len(ys) - 1, len(xs) - 1
    if n_rows < 1 or n_columns < 2 or n_rows * n_columns < 4 or n_rows * n_columns > _MAX_CELLS:
        return None
    box = (xs[0], ys[0], xs[-1], ys[-1])
    if page_area and _area(box) > 0.97 * page_area:
        return None
    parent = list(range(n_rows * n_columns))

    def root(i: int) -> int:
        while parent[i] != i:
            i = parent[i]
        return i

    for row in range(n_rows):
        middle_y = (ys[row] + ys[row + 1]) / 2
        for column in range(n_columns):
            middle_x = (xs[column] + xs[column + 1]) / 2
            here = row * n_columns + column
            if column + 1 < n_columns and not _covered(upright, xs[column + 1], middle_y):
                parent[max(root(here), root(here + 1))] = min(root(here), root(here + 1))
            if row + 1 < n_rows and not _covered(level, ys[row + 1], middle_x):
                below = here + n_columns
                parent[max(root(here), root(below))] = min(root(here), root(below))
    members: dict[int, list[int]] = {}
    for index in range(n_rows * n_columns):
        members.setdefault(root(index), []).append(index)
    cells: list[GridCell] = []
    for held in members.values():
        rows = [i // n_columns for i in held]
        across = [i % n_columns for i in held]
        r0, r1, c0, c1 = min(rows), max(rows), min(across), max(across)
        if len(held) != (r1 - r0 + 1) * (c1 - c0 + 1) and len(held) > 0.5 * len(parent):
            return None  # an L of most of the grid: lines around text, not a table
        cells.append(
            GridCell(r0, c0, r1 - r0 + 1, c1 - c0 + 1, box=(xs[c0], ys[r0], xs[c1 + 1], ys[r1 + 1]))
        )
    if len(cells) < 4:
        return None
    cells.sort(key=lambda c: (c.row, c.column))
    return Grid(cells, box, n_rows, n_columns)


def _covered(strokes: Sequence[Rule], at: float, middle: float) -> bool:
    return any(abs(r.at - at) <= _TOUCH and r.start - 1 <= middle <= r.end + 1 for r in strokes)


def _assign(grid: Grid, words: Sequence[Word]) -> None:
    x0, y0, x1, y1 = grid.box
    for word in words:
        x, y = (word.box[0] + word.box[2]) / 2, (word.box[1] + word.box[3]) / 2
        if not (x0 <= x <= x1 and y0 <= y <= y1):
            continue
        for cell in grid.cells:
            a, b, c, d = cell.box
            if a <= x <= c and b <= y <= d:
                cell.words.append(word)
                break


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _inside(inner: Box, outer: Box) -> bool:
    return (
        inner[0] >= outer[0] - _TOUCH
        and inner[1] >= outer[1] - _TOUCH
        and inner[2] <= outer[2] + _TOUCH
        and inner[3] <= outer[3] + _TOUCH
    )


_MARKER = re.compile(
    r"^(?:[•◦▪‣·●○■□\-–—*o§]|\(?(?:\d{1,3}|[a-zA-Z]|[ivxlcIVXLC]{1,6})[.)]|[\d.]+\.?)$"
)


def aligned(column: Sequence[Line]) -> list[tuple[int, int, Grid]]:
    """Runs of lines that stand as an undrawn table: (first line, one past the last, grid)."""
    found: list[tuple[int, int, Grid]] = []
    at = 0
    while at < len(column):
        end, strips = _run(column, at)
        if end - at >= 3 and strips:
            grid = _from_strips(column[at:end], strips)
            if grid is not None:
                found.append((at, end, grid))
                at = end
                continue
        at += 1
    return found


def _run(column: Sequence[Line], start: int) -> tuple[int, list[tuple[float, float]]]:
    """How far lines from `start` keep two or more strips apart, and the strips."""
    if len(column[start].segments) < 2 or _listed(column[start]):
        return start, []
    strips = _strips([], column[start].segments)
    end = start + 1
    last_full = end
    while end < len(column):
        here, before = column[end], column[end - 1]
        if here.y0 - before.y1 > 1.6 * before.size or _listed(here):
            break
        merged = _strips(strips, here.segments)
        if len(merged) < 2 or len(merged) < len(strips) - 1:
            break
        if len(here.segments) == 1 and end - last_full >= 2:
            break
        strips = merged
        end += 1
        if len(here.segments) >= 2:
            last_full = end
    return last_full, strips


def _strips(
    strips: Sequence[tuple[float, float]], parts: Sequence[Segment]
) -> list[tuple[float, float]]:
    """Column extents, with those of `parts` taken in; what overlaps becomes one."""
    merged: list[tuple[float, float]] = []
    for x0, x1 in sorted([*strips, *((s.x0, s.x1) for s in parts)]):
        if merged and x0 < merged[-1][1] + 2:
            merged[-1] = (merged[-1][0], max(merged[-1][1], x1))
        else:
            merged.append((x0, x1))
    return merged


def _listed(line: Line) -> bool:
    """A list item or a numbered clause: a marker, a gap, and the text."""
    first = line.segments[0]
    return (
        len(line.segments) == 2
        and len(first.words) == 1
        and bool(_MARKER.match(first.words[0].text))
    )


def _from_strips(rows: Sequence[Line], strips: Sequence[tuple[float, float]]) -> Grid | None:
    full = sum(len(row.segments) >= 2 for row in rows)
    if full < 3 or full < 0.6 * len(rows):
        return None
    n_words = [len(s.words) for row in rows for s in row.segments]
    if sum(n_words) / len(n_words) > 7 and len(strips) == 2:
        return None  # two columns of prose that happen to stand level
    starts = [x0 - 1 for x0, _ in strips]
    cells: list[GridCell] = []
    by_place: dict[tuple[int, int], GridCell] = {}
    n_rows = 0
    for line in rows:
        # A line with one part, not in the first column, goes on with the cell above it.
        goes_on = n_rows > 0 and len(line.segments) == 1 and bisect_right(starts, line.x0) > 1
        row = n_rows - 1 if goes_on else n_rows
        n_rows = row + 1
        for segment in line.segments:
            place = (row, max(bisect_right(starts, segment.x0) - 1, 0))
            cell = by_place.get(place)
            if cell is None:
                cell = by_place[place] = GridCell(*place)
                cells.append(cell)
            cell.words += segment.words
    cells.sort(key=lambda c: (c.row, c.column))
    box = (
        min(r.x0 for r in rows),
        min(r.y0 for r in rows),
        max(r.x1 for r in rows),
        max(r.y1 for r in rows),
    )
    return Grid(cells, box, n_rows, len(strips))
