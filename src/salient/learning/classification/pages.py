"""A report on a classifier as one HTML file, with nothing to load from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from salient.learning.classification.evaluation import Report

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;color:#222;max-width:70rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2rem}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}
td,th{padding:.2rem .6rem;text-align:right;border-bottom:1px solid #ddd}
td:first-child,th:first-child{text-align:left}
.figures{display:flex;gap:2.5rem;flex-wrap:wrap}.figures b{display:block;font-size:1.6rem}
.matrix{overflow:auto}.matrix td{min-width:2.2rem;border:1px solid #fff}
.bar{display:inline-block;height:.7rem;background:#1f6f8b;vertical-align:middle}
.note{color:#666}
"""
_MOST_CLASSES = 60  # of a matrix that anybody can read
_SIDE = 320


def page(report: Report, *, title: str, notes: Sequence[str] = ()) -> str:
    """The whole page: figures, confusion, each class, and how sure and how right it was."""
    parts = [
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(title)}</title><style>{_STYLE}</style>",
        f"<h1>{escape(title)}</h1>",
        *(f"<p class=note>{escape(note)}</p>" for note in notes),
        _figures(report),
        _confusion(report),
        _classes(report),
        _sureness(report),
        "</html>",
    ]
    return "\n".join(part for part in parts if part) + "\n"


def _figures(report: Report) -> str:
    told: list[tuple[str, str]] = [
        ("accuracy", f"{report.accuracy:.4f}"),
        ("macro F1", f"{report.macro_f1:.4f}"),
        ("micro F1", f"{report.micro_f1:.4f}"),
        ("texts", f"{_texts(report):,}"),
    ]
    if report.log_loss is not None and report.calibration_error is not None:
        told += [
            ("log loss", f"{report.log_loss:.4f}"),
            ("calibration error", f"{report.calibration_error:.4f}"),
        ]
    return f"<div class=figures>{''.join(f'<div><b>{value}</b>{name}</div>' for name, value in told)}</div>"


def _texts(report: Report) -> int:
    return (
        sum(map(sum, report.confusion))
        if report.confusion
        else sum(m.support for m in report.by_class)
    )


def _confusion(report: Report) -> str:
    if not report.confusion:
        return ""
    if len(report.classes) > _MOST_CLASSES:
        return "<h2>Confusion</h2>" + _worst(report)
    names = [escape(str(name)) for name in report.classes]
    head = "".join(f"<th title='{name}'>{at}</th>" for at, name in enumerate(names, 1))
    rows = []
    for at, (name, row) in enumerate(zip(names, report.confusion, strict=True)):
        total = max(sum(row), 1)
        cells = "".join(_cell(n, n / total, right=at == c) for c, n in enumerate(row))
        rows.append(f"<tr><th>{at + 1} {name}</th>{cells}</tr>")
    return (
        "<h2>Confusion</h2><p class=note>Rows are what is true, columns what was said; shades are shares of a row.</p>"
        f"<div class=matrix><table><tr><th></th>{head}</tr>{''.join(rows)}</table></div>{_worst(report)}"
    )


def _cell(n: int, share: float, *, right: bool) -> str:
    colour = "31,111,139" if right else "190,60,40"
    ink = "#fff" if share > 0.6 else "#222"
    return f"<td style='background:rgba({colour},{share:.2f});color:{ink}'>{n or ''}</td>"


def _worst(report: Report) -> str:
    pairs = [
        (n, true, said)
        for true, row in zip(report.classes, report.confusion, strict=True)
        for said, n in zip(report.classes, row, strict=True)
        if true != said and n
    ]
    top = sorted(pairs, key=lambda pair: -pair[0])[:10]
    rows = "".join(
        f"<tr><td>{escape(str(t))} taken for {escape(str(s))}</td><td>{n}</td></tr>"
        for n, t, s in top
    )
    return f"<p>Most often:</p><table>{rows}</table>" if rows else ""


def _classes(report: Report) -> str:
    rows = "".join(
        f"<tr><td>{escape(str(name))}</td><td>{m.precision:.3f}</td><td>{m.recall:.3f}</td><td>{m.f1:.3f}</td>"
        f"<td>{m.support:,}</td><td style='text-align:left'><span class=bar style='width:{120 * m.f1:.0f}px'></span></td></tr>"
        for name, m in zip(report.classes, report.by_class, strict=True)
    )
    head = (
        "<tr><th>class</th><th>precision</th><th>recall</th><th>F1</th><th>texts</th><th></th></tr>"
    )
    return f"<h2>Classes</h2><table>{head}{rows}</table>"


def _sureness(report: Report) -> str:
    """How often it was right by how sure it was: on the line, probabilities can be taken at their word."""
    if not report.bins:
        return ""
    points: list[tuple[Any, ...]] = [
        (sure * _SIDE, _SIDE - right * _SIDE, n) for sure, right, n in report.bins
    ]
    dots = "".join(
        f"<circle cx='{x:.1f}' cy='{y:.1f}' r='5' fill='#1f6f8b'><title>{n:,} texts</title></circle>"
        for x, y, n in points
    )
    ticks = "".join(
        f"<text x='{t * _SIDE:.0f}' y='{_SIDE + 18}' text-anchor='middle'>{t:g}</text>"
        f"<text x='-8' y='{_SIDE - t * _SIDE + 4:.0f}' text-anchor='end'>{t:g}</text>"
        for t in (0, 0.5, 1)
    )
    return (
        "<h2>How sure, how right</h2><p class=note>Ten groups of texts by how sure the classifier was of its answer: from left to "
        "right how sure, upwards how often right.</p>"
        f"<svg viewBox='-40 -10 {_SIDE + 60} {_SIDE + 40}' width='{_SIDE + 60}' font-size='12'>"
        f"<rect width='{_SIDE}' height='{_SIDE}' fill='#f6f6f4'/>"
        f"<path d='M0 {_SIDE}L{_SIDE} 0' stroke='#999' stroke-dasharray='4'/>{ticks}{dots}</svg>"
    )
