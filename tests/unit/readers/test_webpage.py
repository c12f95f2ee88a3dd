"""Web pages give their article, or all they show; nothing on them can hurt."""

from __future__ import annotations

import time

import pytest

from salient.model import Kind, Metadata, Note, Part
from salient.readers import Limits, webpage

SENTENCE = (
    "The company said on Monday that it would buy its smaller rival for two billion dollars. "
)
NAV = (
    "<nav><ul>"
    + "".join(f"<li><a href='/{i}'>Section {i}</a></li>" for i in range(12))
    + "</ul></nav>"
)
ARTICLE = (
    "<!DOCTYPE html><html lang='en'><head><title>Deal agreed | The Daily</title>"
    "<meta property='og:type' content='article'><meta name='author' content='Ann Bell'>"
    '<script type=\'application/ld+json\'>{"@type": "NewsArticle", "headline": "Deal agreed", "datePublished": "2026-01-02"}</script>'
    f"</head><body>{NAV}<div class='wrap'><article><h1>Deal agreed</h1><p class='byline'>By Ann Bell</p>"
    f"<p>{SENTENCE * 2}</p><h2>Reaction</h2><p>{SENTENCE * 3}</p><blockquote><p>We are glad.</p></blockquote>"
    f"<ul><li>{SENTENCE}</li></ul><table><tr><th>Year</th><th>Sum</th></tr><tr><td>2025</td><td>7</td></tr></table>"
    f"<div class='related'><h3>Related</h3><p><a href='/x'>{SENTENCE}</a></p></div></article>"
    f"<div id='comments'><p>{SENTENCE * 9}</p></div></div><footer>© The Daily, all rights reserved</footer></body></html>"
)


def read(tmp_path, content, limits=None):
    file = tmp_path / "content"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return list(webpage.read(file, limits or Limits()))


def blocks(pieces):
    return [b for p in pieces if isinstance(p, Part) for b in p.blocks]


def fields(pieces):
    return {k: v for p in pieces if isinstance(p, Metadata) for k, v in p.fields.items()}


def codes(pieces):
    return [p.code for p in pieces if isinstance(p, Note)]


def test_an_article_is_read_without_the_site_around_it(tmp_path):
    pieces = read(tmp_path, ARTICLE)
    assert [(b.kind, b.text) for b in blocks(pieces)] == [
        (Kind.TITLE, "Deal agreed"),
        (Kind.PARAGRAPH, (SENTENCE * 2).strip()),
        (Kind.HEADING, "Reaction"),
        (Kind.PARAGRAPH, (SENTENCE * 3).strip()),
        (Kind.QUOTE, "We are glad."),
        (Kind.LIST_ITEM, SENTENCE.strip()),
        (Kind.TABLE, "Year\tSum\n2025\t7"),
    ]


def test_what_is_left_out_is_counted(tmp_path):
    assert "boilerplate_left_out" in codes(read(tmp_path, ARTICLE))


def test_the_page_says_who_when_and_what(tmp_path):
    found = fields(read(tmp_path, ARTICLE))
    assert found["title"] == "Deal agreed"
    assert found["author"] == "Ann Bell"
    assert found["created"] == "2026-01-02"
    assert found["language"] == "en"


def test_a_page_of_tables_and_forms_is_read_whole(tmp_path):
    rows = "".join(f"<tr><td>Part {i}</td><td>{i * 7}</td></tr>" for i in range(40))
    page = f"<html><body>{NAV}<h1>Price list</h1><table>{rows}</table><form><label>Name</label><input value='Ann'></form></body></html>"
    pieces = read(tmp_path, page)
    text = "\n".join(b.text for b in blocks(pieces))
    assert all(f"Part {i}\t{i * 7}" in text for i in range(40))
    assert "Name Ann" in text
    assert "boilerplate_left_out" not in codes(pieces)
    assert all(b.kind == Kind.BOILERPLATE for b in blocks(pieces) if b.text.startswith("Section"))


def test_a_short_page_is_read_whole(tmp_path):
    assert [b.text for b in blocks(read(tmp_path, "<p>Hello</p><ul><li>a<li>b</ul>"))] == [
        "Hello",
        "a",
        "b",
    ]


def test_lists_are_numbered_and_nested(tmp_path):
    found = blocks(read(tmp_path, "<ol start=3><li>a<ul><li>b</ul><li>c</ol>"))
    assert [(b.text, b.level) for b in found] == [("3. a", 1), ("b", 2), ("4. c", 1)]


def test_spans_of_table_cells_are_kept(tmp_path):
    (table,) = blocks(
        read(
            tmp_path,
            "<table><tr><th rowspan=2>A<th colspan=2>B<tr><td>c<td>d<tr><td>e<td>f<td>g</table>",
        )
    )
    assert [
        (c.row, c.column, c.row_span, c.column_span, table.text[c.start : c.end])
        for c in table.cells
    ] == [
        (0, 0, 2, 1, "A"),
        (0, 1, 1, 2, "B"),
        (1, 1, 1, 1, "c"),
        (1, 2, 1, 1, "d"),
        (2, 0, 1, 1, "e"),
        (2, 1, 1, 1, "f"),
        (2, 2, 1, 1, "g"),
    ]


def test_breaks_and_inline_marks_do_not_part_or_join_words(tmp_path):
    found = blocks(read(tmp_path, "<p>un<b>bro</b>ken<br>next&nbsp;line<br><br>new <i>one</i></p>"))
    assert [b.text for b in found] == ["unbroken\nnext line", "new one"]


@pytest.mark.parametrize(
    ("head", "encoding"),
    [
        ("<meta charset='windows-1251'>", "cp1251"),
        ("<meta http-equiv='Content-Type' content='text/html; charset=Shift_JIS'>", "cp932"),
        ("", "utf-8"),
    ],
)
def test_the_declared_encoding_is_used(tmp_path, head, encoding):
    text = {"cp1251": "Привет, мир", "cp932": "こんにちは世界", "utf-8": "Grüße, 世界"}[encoding]
    assert (
        blocks(read(tmp_path, f"<html><head>{head}</head><p>{text}</p>".encode(encoding)))[0].text
        == text
    )


# --- hostile


def test_a_megabyte_of_script_is_harmless(tmp_path):
    script = "<script>" + "var a = '<p>not text</p>' + \"<div>\"; " * 40_000 + "</script>"
    started = time.process_time()
    pieces = read(
        tmp_path, ARTICLE.replace("</h2>", "</h2>" + script).replace("<body>", "<body>" + script)
    )
    assert time.process_time() - started < 5
    assert "not text" not in "".join(b.text for b in blocks(pieces))
    assert blocks(pieces)[0].text == "Deal agreed"
    assert len(blocks(pieces)) == 7


@pytest.mark.parametrize(
    "tag",
    ["div", "span", "b", "ul><li", "blockquote", "font", "table><tr><td", "x-deep", "section"],
)
def test_deep_nesting_loses_no_text_and_takes_no_time(tmp_path, tag):
    n = 100_000
    started = time.process_time()
    pieces = read(tmp_path, f"<p>before</p>{f'<{tag}>' * n}deep text</div><p>after</p>")
    assert time.process_time() - started < 20
    text = " ".join(b.text for b in blocks(pieces))
    assert all(word in text for word in ("before", "deep text", "after"))


def test_text_that_only_a_script_would_draw_is_said_to_be_missing(tmp_path):
    assert "no_text" in codes(
        read(tmp_path, "<html><body><div id=app></div><script>draw()</script></body></html>")
    )


def test_hidden_text_is_not_read(tmp_path):
    found = blocks(read(tmp_path, "<p>seen</p><p hidden>not</p><p style='display: none'>not</p>"))
    assert [b.text for b in found] == ["seen"]


@pytest.mark.parametrize("span", ["999999999", "-1", "x", "65535"])
def test_absurd_spans_are_bounded(tmp_path, span):
    found = blocks(
        read(tmp_path, f"<table><tr><td colspan={span} rowspan={span}>a<td>b<tr><td>c<td>d</table>")
    )
    assert "a" in found[0].text


@pytest.mark.parametrize(
    "content",
    [
        b"<",
        b"<!DOCTYPE html>",
        b"<html>" + bytes(range(256)) * 30,
        b"</p>" * 9999,
        b"<p" * 9999,
        b"<!--" * 9999,
    ],
)
def test_no_bytes_break_the_reader(tmp_path, content):
    read(tmp_path, content)


def test_broken_linked_data_is_only_a_lost_hint(tmp_path):
    page = ARTICLE.replace('{"@type"', '{{"@type"')
    assert blocks(read(tmp_path, page))[0].text == "Deal agreed"
