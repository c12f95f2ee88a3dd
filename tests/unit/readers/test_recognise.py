"""A file is what its bytes say, whatever it is called."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile

import pytest

from salient.errors import InvalidInput, Unsupported
from salient.readers import READERS, reader
from salient.readers import recognise as kinds
from salient.readers.recognise import recognise


def zipped(**members: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/"), content)
    return out.getvalue()


def tarred() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        info = tarfile.TarInfo("a.txt")
        info.size = 3
        archive.addfile(info, io.BytesIO(b"abc"))
    return out.getvalue()


TYPES = {"[Content_Types].xml": "<Types/>"}
CASES = {
    "pdf behind a line of noise": (b"\n%PDF-1.7\n...", "application/pdf"),
    "png": (b"\x89PNG\r\n\x1a\n" + b"\0" * 20, "image/png"),
    "jpeg": (b"\xff\xd8\xff\xe0" + b"\0" * 20, "image/jpeg"),
    "webp": (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
    "docx": (zipped(**TYPES, word__document="x"), kinds.DOCX),
    "pptx": (zipped(**TYPES, ppt__presentation="x"), kinds.PPTX),
    "xlsx": (zipped(**TYPES, xl__workbook="x"), kinds.XLSX),
    "odt": (zipped(mimetype=kinds.ODT, content="x"), kinds.ODT),
    "epub": (zipped(mimetype=kinds.EPUB), kinds.EPUB),
    "zip": (zipped(a="x", b="y"), kinds.ZIP),
    "gzip": (gzip.compress(b"abc"), "application/gzip"),
    "tar": (tarred(), "application/x-tar"),
    "rtf": (rb"{\rtf1 hello}", "application/rtf"),
    "html by doctype": (b"<!DOCTYPE html><title>x</title>", "text/html"),
    "html after comments": (b"<!-- saved from a site -->\n<html><p>x</html>", "text/html"),
    "html fragment": (b"<div><p>One</p><p>Two</p></div>", "text/html"),
    "xhtml": (b'<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"/>', "text/html"),
    "xml": (b'<?xml version="1.0"?><article><p>x</p></article>', "application/xml"),
    "mail": (b"From: a@b.example\nTo: c@d.example\nSubject: x\n\nBody", "message/rfc822"),
    "mail of a server": (b"Received: from x\n by y\nMessage-ID: <1@x>\n\nB", "message/rfc822"),
    "mailbox": (
        b"From a@b.example Thu Jan  1 00:00:00 2026\nSubject: x\n\nB\n",
        "application/mbox",
    ),
    "subtitles": (b"WEBVTT\n\n00:01.000 --> 00:02.000\nHi\n", "text/vtt"),
    "json": (b'{"a": [1, 2]}', "application/json"),
    "json lines": (b'{"a": 1}\n{"a": 2}\n', "application/jsonl"),
    "latex": (b"% x\n\\documentclass{article}\n\\begin{document}x\\end{document}", "text/x-tex"),
    "prose": (b"It was a dark and stormy night; the rain fell.\n", "text/plain"),
    "prose in UTF-16": ("\ufeffIt was dark.".encode("utf-16-le"), "text/plain"),
    "a note with a colon": (b"Note: buy milk, bread and eggs.\nThen: go home.\n", "text/plain"),
    "random bytes": (bytes(range(256)) * 8, kinds.UNKNOWN),
    "machine code": (b"\x7fELF" + bytes(200), "application/x-executable"),
}


@pytest.mark.parametrize("case", CASES)
def test_bytes_decide_and_the_name_does_not(tmp_path, case):
    content, expected = CASES[case]
    for name in ("file", "file.pdf", "file.docx", "bad\nname.xlsx"):
        file = tmp_path / "content"
        file.write_bytes(content)
        assert recognise(file, name) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("notes.txt", "text/plain"),
        ("notes.md", "text/markdown"),
        ("notes.csv", "text/csv"),
        ("notes.py", "text/x-source"),
        ("notes", "text/plain"),
    ],
)
def test_the_name_decides_between_kinds_of_text(tmp_path, name, expected):
    file = tmp_path / "content"
    file.write_bytes(b"One line of words\nand another\n")
    assert recognise(file, name) == expected


def test_a_table_without_a_name_is_seen(tmp_path):
    file = tmp_path / "content"
    file.write_text("a;b;c\n1;2;3\n4;5;6\n7;8;9\n")
    assert recognise(file, "export") == "text/csv"


def test_an_empty_file_is_refused(tmp_path):
    file = tmp_path / "content"
    file.touch()
    with pytest.raises(InvalidInput) as info:
        recognise(file, "a.txt")
    assert info.value.context["code"] == "empty"


def test_a_truncated_word_file_is_still_a_word_file(tmp_path):
    whole = zipped(**TYPES, word__document="x" * 5000)
    file = tmp_path / "content"
    file.write_bytes(whole[:120])
    assert recognise(file, "a.docx") == kinds.DOCX


def test_unknown_bytes_have_no_reader_and_the_reason_says_what_to_do():
    with pytest.raises(Unsupported, match="convert the file") as info:
        reader(kinds.UNKNOWN)
    assert info.value.context["code"] == "unsupported_format"


def test_every_reader_that_is_named_exists():
    for media_type in READERS:
        assert callable(reader(media_type))
