"""Mail, mailboxes, archives, books, OpenDocument and RTF: their text, their children, their faults."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from email.message import EmailMessage

import pytest

from salient.errors import Error, InvalidInput, LimitExceeded, Unsupported
from salient.model import Child, Kind, Metadata, Note, Part
from salient.readers import MIB, Limits, archive, epub, iwork, legacy, mail, opendocument, rtf
from salient.readers.archive import safe_name


def read(function, tmp_path, content, limits=None, name="content"):
    file = tmp_path / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return list(function(file, limits or Limits()))


def blocks(pieces):
    return [b for p in pieces if isinstance(p, Part) for b in p.blocks]


def pairs(pieces):
    return [(b.kind, b.text) for b in blocks(pieces)]


def children(pieces):
    return {p.name: p.content for p in pieces if isinstance(p, Child)}


def codes(pieces):
    return [p.code for p in pieces if isinstance(p, Note)]


def fields(pieces):
    return {k: v for p in pieces if isinstance(p, Metadata) for k, v in p.fields.items()}


# --- mail


def message(**headers) -> EmailMessage:
    found = EmailMessage()
    found["From"] = "Ann Bell <ann@a.example>"
    found["To"] = "Bo <bo@b.example>"
    found["Subject"] = "Größe des Büros"
    found["Date"] = "Fri, 02 Jan 2026 10:00:00 +0100"
    for name, value in headers.items():
        found[name.replace("_", "-")] = value
    return found


def test_headers_body_and_quotes_are_told_apart(tmp_path):
    found = message()
    found.set_content("Yes, of course.\n\nOn Monday Bo wrote:\n> Shall we?\n> Today?\n\nAnn\n")
    pieces = read(mail.read, tmp_path, found.as_bytes())
    assert pairs(pieces) == [
        (
            Kind.MAIL_HEADER,
            "From: Ann Bell <ann@a.example>\nTo: Bo <bo@b.example>\n"
            "Date: Fri, 02 Jan 2026 10:00:00 +0100\nSubject: Größe des Büros",
        ),
        (Kind.PARAGRAPH, "Yes, of course."),
        (Kind.PARAGRAPH, "On Monday Bo wrote:"),
        (Kind.QUOTE, "Shall we?\nToday?"),
        (Kind.PARAGRAPH, "Ann"),
    ]
    assert fields(pieces)["created"] == "2026-01-02T10:00:00+01:00"
    assert fields(pieces)["title"] == "Größe des Büros"


def test_the_best_alternative_is_the_body_and_files_are_children(tmp_path):
    found = message()
    found.set_content("plain words")
    found.add_alternative("<html><body><h1>Rich</h1><p>words</p></body></html>", subtype="html")
    found.add_attachment(
        b"%PDF-1.7", maintype="application", subtype="pdf", filename="../../evil.pdf"
    )
    found.add_attachment("note", filename="note.txt")
    inner = EmailMessage()
    inner["Subject"] = "inner"
    inner.set_content("inside")
    found.add_attachment(inner)
    pieces = read(mail.read, tmp_path, found.as_bytes())
    assert pairs(pieces)[1:] == [(Kind.HEADING, "Rich"), (Kind.PARAGRAPH, "words")]
    files = children(pieces)
    assert set(files) == {"evil.pdf", "note.txt", "attachment-3.eml"}
    assert b"inside" in files["attachment-3.eml"]


def test_names_of_attachments_stay_on_one_line(tmp_path):
    content = (
        b"From: a@b\nContent-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: application/pdf\n"
        b"Content-Disposition: attachment; filename*=utf-8''..%2Fa%0Ab.pdf\n\nx\n--x--\n"
    )
    assert list(children(read(mail.read, tmp_path, content))) == ["a b.pdf"]


def test_pictures_in_the_text_are_noted_and_attached_ones_are_children(tmp_path):
    found = message()
    found.set_content("<p>See <img src='cid:x'></p>", subtype="html")
    found.add_related(b"\x89PNG", maintype="image", subtype="png", cid="<x>")
    pieces = read(mail.read, tmp_path, found.as_bytes())
    assert not children(pieces)
    assert "images_left_out" in codes(pieces)


def test_a_mail_without_a_body_is_done_and_says_so(tmp_path):
    pieces = read(mail.read, tmp_path, message().as_bytes())
    assert "no_body" in codes(pieces)
    assert blocks(pieces)[0].kind == Kind.MAIL_HEADER


@pytest.mark.parametrize(
    "content",
    [
        b"From: \xff\xfe\nSubject: =?utf-8?q?broken\nDate: never\n\nbody",
        b"From: a@b\nContent-Type: text/plain; charset=no-such\n\nbody",
        b"From: a@b\nContent-Type: text/plain; charset*=utf-8''x\n\nbody",
        b"From: a@b\nContent-Type: multipart/mixed\n\nbody",
        b"From: a@b\nContent-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: text/plain\n\nbody",
        b"From: a@b\nContent-Transfer-Encoding: base64\n\nYm9keQ==",
        b"From: a@b\nContent-Transfer-Encoding: x-unknown\n\nbody",
        b"From: <<<>>>\nTo: ,,,;:\nMessage-ID: [x\n\nbody",
        b"\xef\xbb\xbfFrom: a@b\nSubject: x\n\nbody",
        b"From: a@b\nSubject: " + b"=?utf-8?b?8J+YgA==?= " * 2000 + b"\n\nbody",
    ],
)
def test_broken_mail_is_read_as_far_as_it_goes(tmp_path, content):
    assert any("body" in b.text for b in blocks(read(mail.read, tmp_path, content)))


def test_latin_headers_without_an_encoding_are_readable(tmp_path):
    pieces = read(mail.read, tmp_path, "From: a@b\nSubject: Café\n\nx".encode("cp1252"))
    assert fields(pieces)["subject"] == "Café"


def test_a_mail_of_ten_thousand_nested_parts_ends(tmp_path):
    content = b"From: a@b\n" + b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (i, i) for i in range(90)
    )
    read(mail.read, tmp_path, content)


def test_a_mailbox_is_its_mails(tmp_path):
    content = b"From a Fri Jan  2 2026\nSubject: one\n\n>From here\n\nFrom b Fri Jan  2 2026\nSubject: two\n\nB\n"
    found = children(read(mail.read_mailbox, tmp_path, content))
    assert list(found) == ["00001.eml", "00002.eml"]
    assert found["00001.eml"] == b"Subject: one\n\nFrom here\n\n"


# --- archives


def zipped(members, compression=zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as found:
        for name, content in members.items():
            found.writestr(name, content)
    return out.getvalue()


def tarred(members, mode="w") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as found:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            found.addfile(info, io.BytesIO(content))
    return out.getvalue()


FILES = {"a.txt": b"A", "deep/b.txt": b"B"}


def test_members_of_a_zip_are_children(tmp_path):
    found = {**FILES, "__MACOSX/._a.txt": b"x", ".DS_Store": b"x", "empty/": b""}
    assert children(read(archive.read, tmp_path, zipped(found))) == FILES


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_members_of_a_tar_are_children(tmp_path, mode):
    function = archive.read_tar if mode == "w" else archive.read_packed
    assert children(read(function, tmp_path, tarred(FILES, mode))) == FILES


@pytest.mark.parametrize("module", [gzip, bz2, lzma])
def test_a_packed_file_is_its_content(tmp_path, module):
    pieces = read(archive.read_packed, tmp_path, module.compress(b"words"), name="a.txt.gz")
    assert children(pieces) == {"": b"words"}  # whoever knows the parent's name gives one


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("../../etc/passwd", "etc/passwd"),
        ("/etc/passwd", "etc/passwd"),
        ("C:\\Windows\\x.txt", "Windows/x.txt"),
        ("a\nb\x00c.txt", "a b c.txt"),
        ("...", "..."),
        ("..", "member"),
        ("", "member"),
    ],
)
def test_names_stay_below_where_they_are_put(name, safe):
    assert safe_name(name) == safe


def test_a_bomb_is_found_by_its_ratio_while_inflating(tmp_path):
    with pytest.raises(LimitExceeded) as info:
        read(archive.read, tmp_path, zipped({"a": b"\0" * 64 * MIB}))
    assert info.value.context["code"] == "zip_bomb"


def test_a_member_that_lies_about_its_size_gives_no_more_than_it_says(tmp_path):
    content = bytearray(zipped({"a": b"\0" * 40 * MIB, "b": b"fine"}))
    at = content.index(b"PK\x01\x02")
    content[at + 24 : at + 28] = (100).to_bytes(4, "little")
    pieces = read(archive.read, tmp_path, bytes(content), Limits(max_expanded_bytes=8 * MIB))
    assert children(pieces) == {"b": b"fine"}
    assert "member_unreadable" in codes(pieces)


def test_many_small_members_share_one_allowance(tmp_path):
    content = zipped({f"{i}": bytes(range(256)) * 4096 for i in range(20)})
    with pytest.raises(LimitExceeded):
        read(archive.read, tmp_path, content, Limits(max_expanded_bytes=10 * MIB))


def test_nested_archives_are_children_not_inflated_here(tmp_path):
    inner = zipped({"a": b"\0" * 64 * MIB})
    assert children(read(archive.read, tmp_path, zipped({"inner.zip": inner}))) == {
        "inner.zip": inner
    }


@pytest.mark.parametrize("module", [gzip, bz2, lzma])
def test_a_packed_bomb_is_found(tmp_path, module):
    with pytest.raises(LimitExceeded):
        read(
            archive.read_packed,
            tmp_path,
            module.compress(b"\0" * 70 * MIB),
            Limits(max_expanded_bytes=64 * MIB),
        )


def test_more_members_than_allowed_are_said_to_be_left_out(tmp_path):
    pieces = read(
        archive.read, tmp_path, zipped({str(i): b"x" for i in range(9)}), Limits(max_children=4)
    )
    assert len(children(pieces)) == 4
    assert "children_left_out" in codes(pieces)


def test_locked_members_are_noted_and_a_locked_archive_is_refused(tmp_path):
    content = bytearray(zipped(FILES, zipfile.ZIP_STORED))
    for at in (content.index(b"PK\x03\x04"), content.index(b"PK\x01\x02")):
        content[at + (6 if content[at + 2] == 3 else 8)] |= 1
    pieces = read(archive.read, tmp_path, bytes(content))
    assert children(pieces) == {"deep/b.txt": b"B"}
    assert "members_encrypted" in codes(pieces)
    for i in range(len(content) - 4):
        if content[i : i + 4] in (b"PK\x03\x04", b"PK\x01\x02"):
            content[i + (6 if content[i + 2] == 3 else 8)] |= 1
    with pytest.raises(InvalidInput, match="password"):
        read(archive.read, tmp_path, bytes(content))


@pytest.mark.parametrize("keep", [0.2, 0.6, 0.95])
def test_truncated_archives_are_refused_or_noted(tmp_path, keep):
    for function, content in (
        (archive.read, zipped(FILES)),
        (archive.read_packed, gzip.compress(bytes(range(256)) * 50)),
    ):
        with pytest.raises(InvalidInput) as info:
            read(function, tmp_path, content[: int(len(content) * keep)])
        assert info.value.context["code"] == "truncated"


def test_links_in_a_tar_are_passed_over_and_counted(tmp_path):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as found:
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        found.addfile(link)
    pieces = read(archive.read_tar, tmp_path, out.getvalue())
    assert not children(pieces)
    assert "members_left_out" in codes(pieces)


# --- books and OpenDocument


OPF = (
    '<package xmlns:dc="http://purl.org/dc/elements/1.1/"><metadata><dc:title>The Sea</dc:title><dc:creator>Ann Bell</dc:creator>'
    '<dc:language>en</dc:language></metadata><manifest><item id="n" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>'
    '<item id="b" href="two%20.xhtml" media-type="application/xhtml+xml"/><item id="a" href="one.xhtml" media-type="application/xhtml+xml"/>'
    '<item id="c" href="gone.xhtml" media-type="application/xhtml+xml"/></manifest>'
    '<spine><itemref idref="n"/><itemref idref="a"/><itemref idref="b"/><itemref idref="c"/></spine></package>'
)
XHTML = '<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><head><title/><script src="x"/></head><body><h1>{}</h1><p>{}</p></body></html>'


def test_chapters_come_in_the_order_of_the_spine(tmp_path):
    content = zipped(
        {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": '<container><rootfiles><rootfile full-path="OEBPS/x.opf"/></rootfiles></container>',
            "OEBPS/x.opf": OPF,
            "OEBPS/nav.xhtml": XHTML.format("Contents", "x"),
            "OEBPS/two .xhtml": XHTML.format("Two", "The end."),
            "OEBPS/one.xhtml": XHTML.format("One", "The start."),
        }
    )
    pieces = read(epub.read, tmp_path, content)
    parts = [p for p in pieces if isinstance(p, Part)]
    assert [(p.label, p.blocks[1].text) for p in parts] == [
        ("One", "The start."),
        ("Two", "The end."),
    ]
    assert fields(pieces) == {"title": "The Sea", "author": "Ann Bell", "language": "en"}
    assert "page_unreadable" in codes(pieces)


def test_a_locked_book_is_refused(tmp_path):
    content = zipped(
        {
            "mimetype": "application/epub+zip",
            "META-INF/encryption.xml": '<encryption><CipherReference URI="OEBPS/one.xhtml"/></encryption>',
        }
    )
    with pytest.raises(InvalidInput) as info:
        read(epub.read, tmp_path, content)
    assert info.value.context["code"] == "encrypted"


ODF = (
    '<office:document-content xmlns:office="urn:o" xmlns:text="urn:t" xmlns:table="urn:tb" xmlns:draw="urn:d" xmlns:presentation="urn:p">'
    "<office:body><office:{kind}>{body}</office:{kind}></office:body></office:document-content>"
)


def odf(body, kind="text"):
    return zipped({"content.xml": ODF.format(kind=kind, body=body), "mimetype": "x"})


def test_an_odt_gives_headings_lists_tables_and_notes(tmp_path):
    body = (
        '<text:h text:outline-level="2">Terms</text:h><text:p>One<text:s text:c="3"/>two<text:line-break/>three'
        "<text:note><text:note-citation>1</text:note-citation><text:note-body><text:p>A note</text:p></text:note-body></text:note></text:p>"
        "<text:list><text:list-item><text:p>item</text:p><text:list><text:list-item><text:p>deep</text:p></text:list-item></text:list></text:list-item></text:list>"
        '<table:table><table:table-header-rows><table:table-row><table:table-cell table:number-columns-spanned="2"><text:p>H</text:p></table:table-cell>'
        "<table:covered-table-cell/></table:table-row></table:table-header-rows><table:table-row><table:table-cell><text:p>a</text:p></table:table-cell>"
        '<table:table-cell table:number-columns-repeated="16000"/></table:table-row></table:table>'
        "<text:tracked-changes><text:p>gone</text:p></text:tracked-changes>"
    )
    found = blocks(read(opendocument.read, tmp_path, odf(body)))
    assert [(b.kind, b.text.rstrip(), b.level) for b in found] == [
        (Kind.HEADING, "Terms", 2),
        (Kind.PARAGRAPH, "One two\nthree", 0),
        (Kind.FOOTNOTE, "A note", 0),
        (Kind.LIST_ITEM, "item", 1),
        (Kind.LIST_ITEM, "deep", 2),
        (Kind.TABLE, "H\na", 0),
    ]
    assert [(c.header, c.column_span) for c in found[-1].cells] == [(True, 2), (False, 1)]


def test_slides_of_an_odp_are_pages(tmp_path):
    body = "".join(
        f'<draw:page><draw:frame presentation:class="outline"><draw:text-box><text:p>body {i}</text:p></draw:text-box></draw:frame>'
        f'<draw:frame presentation:class="title"><draw:text-box><text:p>title {i}</text:p></draw:text-box></draw:frame></draw:page>'
        for i in (1, 2)
    )
    parts = [
        p
        for p in read(opendocument.read, tmp_path, odf(body, "presentation"))
        if isinstance(p, Part)
    ]
    assert [(p.page, [b.text for b in p.blocks]) for p in parts] == [
        (1, ["title 1", "body 1"]),
        (2, ["title 2", "body 2"]),
    ]


def test_an_encrypted_odt_is_refused(tmp_path):
    content = zipped({"content.xml": b"\x93", "META-INF/manifest.xml": "<m><encryption-data/></m>"})
    with pytest.raises(InvalidInput) as info:
        read(opendocument.read, tmp_path, content)
    assert info.value.context["code"] == "encrypted"


def test_pages_files_give_their_preview_or_a_reason(tmp_path):
    with pytest.raises(Unsupported, match="export"):
        read(iwork.read, tmp_path, zipped({"Index/Document.iwa": b"x"}))
    assert children(read(iwork.read, tmp_path, zipped({"QuickLook/Preview.pdf": b"%PDF"}))) == {
        "Preview.pdf": b"%PDF"
    }


# --- RTF


def test_rtf_gives_paragraphs_tables_and_notes(tmp_path):
    source = (
        rb"{\rtf1\ansi\ansicpg1252{\fonttbl{\f0 Arial;}{\f1\fcharset204 Arial Cyr;}}{\stylesheet{\s1 heading 1;}}"
        rb"{\info{\title The Lease}{\author Ann}}\pard\s1 Terms\par\pard Caf\'e9 \u8364?5 \{x\} {\b bo}ld{\footnote A note}\par "
        rb"{\f1 \'cf\'f0\'e8}\par {\*\generator Secret;}{\pict\pngblip 89504e47}"
        rb"\trowd\pard\intbl a\cell b\cell\row\trowd\intbl c\cell d\cell\row\pard after\par{\v hidden}}"
    )
    pieces = read(rtf.read, tmp_path, source)
    assert pairs(pieces) == [
        (Kind.HEADING, "Terms"),
        (Kind.PARAGRAPH, "Café €5 {x} bold"),
        (Kind.FOOTNOTE, "A note"),
        (Kind.PARAGRAPH, "При"),
        (Kind.TABLE, "a\tb\nc\td"),
        (Kind.PARAGRAPH, "after"),
    ]
    assert fields(pieces) == {"title": "The Lease", "author": "Ann"}
    assert "images_left_out" in codes(pieces)


@pytest.mark.parametrize(
    "source",
    [
        rb"{\rtf1 cut in the mid",
        rb"{\rtf1 " + rb"{" * 50_000 + rb"deep",
        rb"{\rtf1 }}}} after \par}",
        rb"{\rtf1 \bin99999999 x}",
        rb"{\rtf1 \u-10179?\u-8704? \u99999999? \u55357? \'zz \' x}",
        rb"{\rtf1\ansicpg99999 x}",
    ],
)
def test_no_rtf_breaks_the_reader(tmp_path, source):
    read(rtf.read, tmp_path, source)


@pytest.mark.parametrize("function", [legacy.read_doc, legacy.read_ppt, legacy.read_msg])
@pytest.mark.parametrize(
    "content",
    [b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(4096), b"no"],
)
def test_damaged_old_files_are_refused(tmp_path, function, content):
    with pytest.raises(Error):
        read(function, tmp_path, content)
