"""Plain text, tables of text, Markdown, subtitles, JSON, XML and LaTeX become blocks."""

from __future__ import annotations

import pytest

from salient.errors import InvalidInput
from salient.model import Builder, Kind, Note, Part
from salient.readers import Limits, delimited, markdown, plain, structured
from salient.readers.decoding import decode


def read(function, tmp_path, content, limits=None):
    file = tmp_path / "content"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return list(function(file, limits or Limits()))


def blocks(pieces):
    return [b for p in pieces if isinstance(p, Part) for b in p.blocks]


def texts(pieces):
    return [b.text for b in blocks(pieces)]


def codes(pieces):
    return [p.code for p in pieces if isinstance(p, Note)]


# --- encodings


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("naïve café – “quoted” €5", "utf-8"),
        ("naïve café – “quoted” €5", "utf-8-sig"),
        ("naïve café – “quoted” €5", "utf-16"),
        ("naïve café – “quoted” €5", "utf-16-le"),
        ("naïve café – “quoted” €5", "utf-16-be"),
        ("naïve café – “quoted” €5", "utf-32"),
        ("The café’s manager paid €5 for the naïve résumé.", "cp1252"),
        ("Съешь же ещё этих мягких французских булок, да выпей чаю. " * 4, "cp1251"),
        ("色は匂へど散りぬるを我が世誰ぞ常ならむ有為の奥山今日越えて" * 4, "shift_jis"),
    ],
)
def test_text_is_decoded_as_it_was_written(text, encoding):
    decoded = decode(text.encode(encoding))
    assert decoded.text == text
    assert decoded.n_replaced == 0


def test_a_declared_encoding_is_believed_only_when_it_fits():
    assert decode("Grüße".encode("cp1252"), "iso-8859-1").text == "Grüße"
    assert decode("Grüße".encode(), "iso-8859-1").text == "Grüße"
    assert decode("Grüße".encode(), "no-such-charset").text == "Grüße"
    assert decode(b"abc", "rot13").text == "abc"


def test_invalid_utf8_is_replaced_and_counted(tmp_path):
    pieces = read(
        plain.read, tmp_path, "Größe, très bien, naïve, façade ".encode() + b"\xff\xfe end"
    )
    assert texts(pieces) == ["Größe, très bien, naïve, façade \ufffd\ufffd end"]
    assert "undecodable_bytes" in codes(pieces)


def test_control_characters_are_taken_out_and_counted(tmp_path):
    pieces = read(plain.read, tmp_path, b"one\0two \x07three")
    assert texts(pieces) == ["onetwo three"]
    assert "control_characters" in codes(pieces)


# --- plain text


def test_wrapped_lines_become_a_paragraph(tmp_path):
    wrapped = (
        "The parties agree that the services shall be performed in a\n"
        "professional manner and in accordance with the standards of the\n"
        "industry, as further described in the schedule.\n\n"
        "A second paragraph."
    )
    found = texts(read(plain.read, tmp_path, wrapped))
    assert found[0] == (
        "The parties agree that the services shall be performed in a professional manner and in "
        "accordance with the standards of the industry, as further described in the schedule."
    )
    assert found[1] == "A second paragraph."


def test_verse_and_addresses_keep_their_lines(tmp_path):
    found = texts(
        read(
            plain.read,
            tmp_path,
            "Acme Ltd\n1 High Street\nLondon\n\nRoses are red\nViolets are blue",
        )
    )
    assert found == ["Acme Ltd\n1 High Street\nLondon", "Roses are red\nViolets are blue"]


def test_lists_and_headings_are_told_apart(tmp_path):
    found = blocks(
        read(
            plain.read,
            tmp_path,
            "DEFINITIONS\n\n- one\n- two\n  more of two\n\nTitle\n=====\n\nText.",
        )
    )
    assert [(b.kind, b.text) for b in found] == [
        (Kind.HEADING, "DEFINITIONS"),
        (Kind.LIST_ITEM, "- one"),
        (Kind.LIST_ITEM, "- two more of two"),
        (Kind.HEADING, "Title"),
        (Kind.PARAGRAPH, "Text."),
    ]


def test_form_feeds_are_pages(tmp_path):
    parts = [p for p in read(plain.read, tmp_path, "one\ftwo\f") if isinstance(p, Part)]
    assert [(p.page, p.blocks[0].text) for p in parts] == [(1, "one"), (2, "two")]


def test_pages_past_the_limit_are_said_to_be_left_out(tmp_path):
    pieces = read(plain.read, tmp_path, "\f".join("abc"), Limits(max_pages=2))
    assert "pages_left_out" in codes(pieces)
    assert texts(pieces) == ["a", "b"]


def test_a_file_of_blanks_is_empty(tmp_path):
    with pytest.raises(InvalidInput) as info:
        read(plain.read, tmp_path, b" \n\0\n ")
    assert info.value.context["code"] == "empty"


def test_no_word_of_prose_is_lost(tmp_path):
    source = "\n".join(f"line {i} of {'some ' * (i % 20)}words" for i in range(3000))
    found = " ".join(texts(read(plain.read, tmp_path, source)))
    assert found.split() == source.split()


def test_one_endless_line_is_cut_into_blocks(tmp_path):
    found = texts(read(plain.read, tmp_path, "word " * 100_000))
    assert len(found) > 1
    assert sum(len(t.split()) for t in found) == 100_000


# --- CSV


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(tmp_path, mark):
    rows = [["Name", "City", "Sum"], ["Ann, B.", "Rome", "1.5"], ["Cy", "Oslo; east", "2"]]
    source = "\n".join(mark.join(f'"{c}"' for c in row) for row in rows)
    (table,) = blocks(read(delimited.read, tmp_path, source))
    assert table.text == "\n".join("\t".join(row) for row in rows)
    assert [table.text[c.start : c.end] for c in table.cells if c.header] == rows[0]


def test_cells_know_their_place_and_offsets(tmp_path):
    (table,) = blocks(read(delimited.read, tmp_path, 'a,b\n,"x\ny"\n'))
    assert [(c.row, c.column, table.text[c.start : c.end]) for c in table.cells] == [
        (0, 0, "a"),
        (0, 1, "b"),
        (1, 1, "x y"),
    ]


def test_ragged_rows_and_broken_quotes_lose_nothing(tmp_path):
    found = " ".join(texts(read(delimited.read, tmp_path, 'a,b\n1\n1,2,3\n"open,5\nlast,6')))
    assert set("a b 1 2 3 5 6".split()) <= set(found.replace(",", " ").split())


def test_long_tables_come_in_blocks_of_500_rows(tmp_path):
    source = "n,m\n" + "\n".join(f"{i},{i}" for i in range(1200))
    parts = [p for p in read(delimited.read, tmp_path, source) if isinstance(p, Part)]
    assert [b.text.count("\n") + 1 for p in parts for b in p.blocks] == [500, 500, 201]


# --- Markdown


def test_markdown_structure_is_kept(tmp_path):
    source = (
        "---\ntitle: The Plan\nauthor: Ann\n---\n# Plan\n\nSome *nice* `code` and [a link](http://x.example).\n\n"
        "1. one\n2. two\n   - deep\n\n> quoted\n\n```\nx = 1\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n<div><p>html</p></div>\n"
    )
    pieces = read(markdown.read, tmp_path, source)
    assert pieces[0].fields == {"title": "The Plan", "author": "Ann"}
    assert [(b.kind, b.text) for b in blocks(pieces)] == [
        (Kind.HEADING, "Plan"),
        (Kind.PARAGRAPH, "Some nice code and a link."),
        (Kind.LIST_ITEM, "1. one"),
        (Kind.LIST_ITEM, "2. two"),
        (Kind.LIST_ITEM, "deep"),
        (Kind.QUOTE, "quoted"),
        (Kind.CODE, "x = 1"),
        (Kind.TABLE, "a\tb\n1\t2"),
        (Kind.PARAGRAPH, "html"),
    ]


def test_deep_quotes_and_lists_are_harmless(tmp_path):
    read(
        markdown.read,
        tmp_path,
        ">" * 5000 + " end\n\n" + "".join(" " * i + "- x\n" for i in range(500)),
    )


# --- others


def test_subtitles_keep_words_and_speakers(tmp_path):
    source = "WEBVTT\n\n1\n00:01.000 --> 00:02.000\n<v Ann>Hello <b>there</b>\nyou &amp; me\n\nNOTE by hand\n"
    assert texts(read(plain.read_subtitles, tmp_path, source)) == [
        "Ann: Hello there you & me",
        "by hand",
    ]


def test_json_records_become_lines_of_keys_and_values(tmp_path):
    found = texts(
        read(plain.read_json, tmp_path, '[{"name": "Ann", "at": {"city": "Rome"}}, {"name": "Bo"}]')
    )
    assert found == ["name: Ann\nat.city: Rome", "name: Bo"]
    assert texts(read(plain.read_json, tmp_path, '{"a": 1}\n{"a": 2}\n')) == ["a: 1", "a: 2"]


def test_json_nested_too_deep_is_read_as_it_stands(tmp_path):
    pieces = read(plain.read_json, tmp_path, "[" * 100_000 + "]" * 100_000)
    assert codes(pieces) == ["not_json"]


def test_an_article_in_xml_has_title_headings_and_tables(tmp_path):
    source = (
        "<article><front><article-meta><title-group><article-title>On <italic>Ducks</italic></article-title></title-group>"
        "</article-meta></front><body><sec><title>Results</title><p>They <bold>swim</bold>.</p>"
        "<table><tr><th>n</th><th>m</th></tr><tr><td>1</td><td>2</td></tr></table></sec></body></article>"
    )
    found = blocks(read(structured.read_xml, tmp_path, source))
    assert [(b.kind, b.text) for b in found] == [
        (Kind.TITLE, "On Ducks"),
        (Kind.HEADING, "Results"),
        (Kind.PARAGRAPH, "They swim."),
        (Kind.TABLE, "n\tm\n1\t2"),
    ]


BILLION_LAUGHS = (
    '<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "lol">'
    + "".join(
        f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    )
    + "]><l>&i;</l>"
)


def test_an_entity_bomb_does_not_go_off(tmp_path):
    try:
        found = "".join(texts(read(structured.read_xml, tmp_path, BILLION_LAUGHS)))
    except InvalidInput as error:
        assert error.context["code"] == "malformed"  # noqa: PT017, either outcome is right
    else:
        assert len(found) < 1000


def test_an_external_entity_is_not_fetched(tmp_path):
    (tmp_path / "secret").write_text("TOP SECRET")
    source = f'<!DOCTYPE r [<!ENTITY x SYSTEM "file://{tmp_path}/secret">]><r><p>a &x; b</p></r>'
    assert "SECRET" not in "".join(texts(read(structured.read_xml, tmp_path, source)))


def test_xml_that_is_not_well_formed_is_read_as_far_as_it_goes(tmp_path):
    pieces = read(structured.read_xml, tmp_path, "<a><p>one</p><p>two</a>")
    assert "not_well_formed" in codes(pieces)
    assert texts(pieces) == ["one", "two"]


def test_latex_shows_its_text(tmp_path):
    source = (
        "\\documentclass{article}\n\\title{On Ducks}\n\\begin{document}\n\\maketitle\n"
        "\\section{Intro}\nThey \\emph{swim}, 5\\% of G\\\"odel's. % not this\n\n"
        "\\begin{itemize}\\item one \\item two\\end{itemize}\n\\end{document}"
    )
    found = texts(read(structured.read_latex, tmp_path, source))
    assert found == ["On Ducks", "Intro", "They swim, 5% of Gödel's.", "one", "two"]


def test_latex_formulas_stay_as_written_and_figures_leave_only_their_words(tmp_path):
    source = (
        "\\documentclass{article}\n\\begin{document}\nWith $\\beta_1=0.9$ and 5\\$ a \\emph{head}.\n\n"
        "\\begin{figure}[!t]\\includegraphics[width=1cm]{a.pdf}\\caption{A duck.}\\end{figure}\n\n"
        "\\begin{equation}\\label{e}\nx = \\frac{a}{b}\n\\end{equation}\n\\end{document}"
    )
    found = texts(read(structured.read_latex, tmp_path, source))
    assert found == ["With $\\beta_1=0.9$ and 5$ a head.", "A duck.", "x = \\frac{a}{b}"]


@pytest.mark.parametrize(
    "function",
    [
        plain.read,
        plain.read_json,
        plain.read_subtitles,
        plain.read_source,
        delimited.read,
        markdown.read,
        structured.read_latex,
    ],
)
@pytest.mark.parametrize(
    "content",
    [bytes(range(256)) * 20, b"\xff" * 999, b"{" * 999, b"\\" * 999, b'"' * 999, b"|" * 999],
)
def test_no_bytes_break_a_text_reader(tmp_path, function, content):
    builder = Builder()
    builder.feed(read(function, tmp_path, content))
    builder.build()
