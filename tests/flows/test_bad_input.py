"""Bad files end in the ledger with a reason, and harm nothing else."""

import io
import os
import shutil
import struct
import zipfile

import pytest
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen import canvas

GOOD = "Halden Maritime AS signed the agreement in Oslo. It sells pumps to Brightwater Ltd."
ENDS = ("done", "failed", "quarantined", "duplicate", "unsupported")


def pdf(pages, *, encrypt=None):
    out = io.BytesIO()
    page = canvas.Canvas(out, pagesize=A4, encrypt=encrypt, invariant=True)
    for n in range(pages):
        page.drawString(72, 720, f"Page {n + 1} of a long report about pumps.")
        page.showPage()
    page.save()
    return out.getvalue()


def bomb():
    """A megabyte that becomes a gigabyte."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("zeros.txt", "w", force_zip64=True) as member,
    ):
        chunk = b"0" * (1024 * 1024)
        for _ in range(1024):
            member.write(chunk)
    return out.getvalue()


def container_bomb(kind):
    """An office file or book whose main part unpacks to a thousand times its size."""
    types = '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>'
    open_document = "application/vnd.oasis.opendocument.text"
    before, main = {
        "docx": ({"[Content_Types].xml": types}, "word/document.xml"),
        "xlsx": ({"[Content_Types].xml": types}, "xl/workbook.xml"),
        "odt": ({"mimetype": open_document}, "content.xml"),
        "epub": ({"mimetype": "application/epub+zip"}, "META-INF/container.xml"),
    }[kind]
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in before.items():
            archive.writestr(name, content)
        member = zipfile.ZipInfo(main)
        member.compress_type = zipfile.ZIP_DEFLATED
        with archive.open(member, "w") as stream:
            for _ in range(48):
                stream.write(b" " * (1024 * 1024))
    return out.getvalue()


def compound_file(stream_name):
    """The smallest OLE file with one stream, as a password-protected DOCX is."""
    sector = 512
    header = bytearray(sector)
    header[:8] = bytes.fromhex("d0cf11e0a1b11ae1")
    struct.pack_into("<HHHHH", header, 24, 0x3E, 3, 0xFFFE, 9, 6)
    struct.pack_into("<IIIIIIIII", header, 44, 1, 1, 0, 4096, 0xFFFFFFFE, 0, 0xFFFFFFFE, 0, 0)
    for i in range(1, 109):
        struct.pack_into("<I", header, 76 + 4 * i, 0xFFFFFFFF)
    fat = bytearray(b"\xff" * sector)
    struct.pack_into("<III", fat, 0, 0xFFFFFFFD, 0xFFFFFFFE, 0xFFFFFFFE)
    directory = bytearray(sector)
    for i, (name, kind, child, start, size) in enumerate(
        [("Root Entry", 5, 1, 0xFFFFFFFE, 0), (stream_name, 2, 0xFFFFFFFF, 2, sector)]
    ):
        raw = name.encode("utf-16-le")
        at = 128 * i
        directory[at : at + len(raw)] = raw
        struct.pack_into("<HBB", directory, at + 64, len(raw) + 2, kind, 1)
        struct.pack_into("<III", directory, at + 68, 0xFFFFFFFF, 0xFFFFFFFF, child)
        struct.pack_into("<IQ", directory, at + 116, start, size)
    return bytes(header + fat + directory + bytearray(sector))


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """One of each, with the code its end must have (None: done)."""
    folder = tmp_path_factory.mktemp("hostile")
    files = {
        "good.txt": (GOOD.encode(), None),
        "locked.pdf": (pdf(2, encrypt="secret"), "encrypted"),
        "cut.pdf": (pdf(40)[:900], {"truncated", "malformed", None}),
        "empty.pdf": (b"", "empty"),
        "really-a-pdf.docx": (pdf(1), None),
        "really-text.pdf": (b"This is only text, with a wrong ending.", None),
        "bomb.zip": (bomb(), {"zip_bomb", None}),
        **{
            f"bomb.{kind}": (container_bomb(kind), "zip_bomb")
            for kind in ("docx", "xlsx", "odt", "epub")
        },
        "locked.docx": (compound_file("EncryptedPackage"), "encrypted"),
        "no-body.eml": (
            b"From: a@example.org\r\nTo: b@example.org\r\nSubject: nothing\r\n\r\n",
            None,
        ),
        "script.html": (
            b"<html><head><title>Pumps</title></head><body><script>"
            + b"var x=1;" * 131_072
            + b"</script><article><h1>Pumps</h1><p>"
            + GOOD.encode() * 4
            + b"</p></article></body></html>",
            None,
        ),
        "latin.txt": (b"caf\xe9 \xff\xfe\x81 " + GOOD.encode(), None),
        "noise.bin": (bytes(range(256)) * 64, "unsupported_format"),
        "name\nwith newline.txt": (b"A name that breaks lines. " + GOOD.encode(), None),
        "cut.docx": (
            b"PK\x03\x04" + os.urandom(300),
            {"truncated", "malformed", "unsupported_format"},
        ),
    }
    for name, (data, _) in files.items():
        (folder / name).write_bytes(data)
    (folder / "copy.txt").write_bytes(files["good.txt"][0])
    files["copy.txt"] = (b"", "duplicate")
    return folder, {name: code for name, (_, code) in files.items()}


def test_each_ends_with_its_reason_and_the_rest_is_unharmed(workspace, hostile):
    folder, wanted = hostile
    reply = workspace.add(folder)
    documents = {d.name: d for d in workspace.documents(limit=1000).documents}
    assert sum(reply.states[s] for s in ENDS) == len(documents)
    wrong = {}
    for name, code in wanted.items():
        document = documents[name]
        allowed = code if isinstance(code, set) else {code}
        if document.code not in allowed:
            wrong[name] = (document.state, document.code, document.reason)
        if document.code is not None:
            assert document.reason
            assert "Traceback" not in document.reason
    # The copy or the original may have come first; one of the two is the duplicate.
    twins = {documents[n].state for n in ("good.txt", "copy.txt")}
    assert twins == {"done", "duplicate"}
    wrong.pop("good.txt", None)
    wrong.pop("copy.txt", None)
    assert wrong == {}
    assert workspace.search("pumps Brightwater").total >= 1


def test_what_was_left_out_is_said(workspace, tmp_path):
    (tmp_path / "long.pdf").write_bytes(pdf(10_000))
    import salient

    with salient.open(
        tmp_path / "w", pipeline={"processes": 1}, limits={"max_pages": 300}
    ) as small:
        small.add(tmp_path / "long.pdf")
        (document,) = small.documents().documents
    assert document.state in ("done", "quarantined")
    told = " ".join((*document.notes, document.reason or ""))
    assert "300" in told
    assert "10000" in told.replace(",", "").replace(" ", "")


def test_a_path_that_vanishes_fails_and_can_be_retried(workspace, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.txt").write_text(GOOD)
    (folder / "b.txt").write_text("It will be gone.")
    (folder / "b.txt").unlink()
    (folder / "b.txt").symlink_to(tmp_path / "nowhere")
    workspace.add(folder)
    documents = {d.name: d for d in workspace.documents().documents}
    assert (documents["b.txt"].state, documents["b.txt"].code) == ("failed", "vanished")
    assert documents["a.txt"].state == "done"
    (tmp_path / "nowhere").write_text("It is back, with pumps.")
    reply = workspace.retry(documents["b.txt"].id)
    assert reply.states["done"] == 2


def test_an_archive_in_an_archive_ends_at_the_depth_limit(workspace, tmp_path):
    data = b"The innermost text about pumps."
    name = "inner.txt"
    for level in range(9):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            archive.writestr(name, data)
        data, name = out.getvalue(), f"level{level}.zip"
    (tmp_path / "deep.zip").write_bytes(data)
    reply = workspace.add(tmp_path / "deep.zip")
    assert reply.states["queued"] == reply.states["running"] == 0
    notes = [n for d in workspace.documents().documents for n in d.notes]
    assert any("deeper" in n for n in notes)


def test_an_archive_full_of_copies_of_copies_is_opened_once_a_level(workspace, tmp_path):
    # A million leaves, as the known bombs are made: all but one of each level are duplicates.
    data = GOOD.encode()
    for level in range(4):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            for copy in range(32):
                archive.writestr(f"{level}-{copy}{'.zip' if level else '.txt'}", data)
        data = out.getvalue()
    (tmp_path / "many.zip").write_bytes(data)
    reply = workspace.add(tmp_path / "many.zip")
    assert reply.states["done"] == 5
    assert reply.states["duplicate"] == 4 * 31
    assert sum(reply.states.values()) == 129


def test_a_full_disk_is_told_and_nothing_is_half_written(tmp_path):
    import salient
    from salient.errors import Error

    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(Error) as info, salient.open(tmp_path / "file" / "data"):
        pass
    assert info.value.code == "misconfigured"
    shutil.rmtree(tmp_path / "w", ignore_errors=True)
