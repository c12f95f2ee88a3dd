"""Line charts as SVG, with nothing but the standard library. A module of other benches, not one itself."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _HEIGHT, _LEFT, _TOP, _GAP, _LEGEND = 860, 220, 70, 40, 46, 140
_COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#8c564b", "#17becf", "#e377c2", "#7f7f7f")


@dataclass(frozen=True)
class Panel:
    """One chart: lines by name, each of (x, y)."""

    title: str
    lines: Mapping[str, Sequence[tuple[float, float]]]


def svg(title: str, x_title: str, panels: Sequence[Panel]) -> str:
    """Charts one below another, over one x axis. Both axes begin at 0."""
    right = max((x for p in panels for line in p.lines.values() for x, _ in line), default=1.0)
    width = _LEFT + _WIDTH + _LEGEND
    height = _TOP + len(panels) * (_HEIGHT + _GAP) + 10
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        f'<text x="{_LEFT}" y="18" font-size="15">{escape(title)}</text>',
    ]
    for n, panel in enumerate(panels):
        out += _panel(panel, _TOP + n * (_HEIGHT + _GAP), right or 1.0, x_title)
    out.append("</svg>")
    return "\n".join(out) + "\n"


def _panel(panel: Panel, top: float, right: float, x_title: str) -> list[str]:
    highest = max((y for line in panel.lines.values() for _, y in line), default=1.0) or 1.0
    apart = step(highest)
    ceiling = math.ceil(highest / apart) * apart
    floor = top + _HEIGHT

    def place(x: float, y: float) -> str:
        return f"{_LEFT + x / right * _WIDTH:.1f},{floor - y / ceiling * (_HEIGHT - 20):.1f}"

    out = [f'<text x="{_LEFT}" y="{top + 10}" font-weight="bold">{escape(panel.title)}</text>']
    for tick in _ticks(ceiling, apart):
        y = place(0, tick).partition(",")[2]
        out.append(f'<path d="M{_LEFT} {y}h{_WIDTH}" stroke="#ddd"/>')
        out.append(f'<text x="{_LEFT - 6}" y="{float(y) + 4}" text-anchor="end">{tick:,g}</text>')
    for tick in _ticks(right, step(right)):
        x = place(tick, 0).partition(",")[0]
        out.append(f'<text x="{x}" y="{floor + 16}" text-anchor="middle">{tick:,g}</text>')
    out.append(
        f'<text x="{_LEFT + _WIDTH}" y="{floor + 32}" text-anchor="end">{escape(x_title)}</text>'
    )
    for n, (name, line) in enumerate(panel.lines.items()):
        colour = _COLOURS[n % len(_COLOURS)]
        points = " ".join(place(x, y) for x, y in line)
        out.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
        )
        x, y = _LEFT + _WIDTH + 12, top + 24 + 18 * n
        out.append(f'<path d="M{x} {y}h16" stroke="{colour}" stroke-width="3"/>')
        out.append(f'<text x="{x + 22}" y="{y + 4}">{escape(name)}</text>')
    return out


def step(highest: float) -> float:
    """A round distance between ticks of which three to eight fit below `highest`."""
    power: float = 10.0 ** math.floor(math.log10(highest))
    return next(power * f for f in (0.1, 0.2, 0.25, 0.5, 1, 2) if highest / (power * f) <= 8)


def _ticks(highest: float, apart: float) -> list[float]:
    return [n * apart for n in range(int(highest / apart + 1e-9) + 1)]
