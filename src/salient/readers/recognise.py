"""What a file is, by its bytes. The name only decides between kinds of text."""

from __future__ import annotations

import json
import re
import tarfile
import zipfile
from pathlib import Path

from salient.errors import InvalidInput
from salient.readers import ole
from salient.readers.decoding import decode

_HEAD_BYTES = 1 << 16

UNKNOWN = "application/octet-stream"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
PPTX = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
XLSB = "application/vnd.ms-excel.sheet.binary.macroenabled.12"
ODT = "application/vnd.oasis.opendocument.text"
ODP = "application/vnd.oasis.opendocument.presentation"
ODS = "application/vnd.oasis.opendocument.spreadsheet"
EPUB = "application/epub+zip"
IWORK = "application/vnd.apple.iwork"
ZIP = "application/zip"
ENCRYPTED_OFFICE = "application/x-encrypted-office"
"""An OOXML file under a password: a compound file that holds `EncryptedPackage`."""
SOURCE = "text/x-source"
"""Program text and configuration: lines are kept as they are."""

_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
    (b"II+\0", "image/tiff"),
    (b"\x1f\x8b", "application/gzip"),
    (b"BZh", "application/x-bzip2"),
    (b"\xfd7zXZ\0", "application/x-xz"),
    (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (b"Rar!\x1a\x07", "application/vnd.rar"),
    (b"\x28\xb5\x2f\xfd", "application/zstd"),
    (b"{\\rtf", "application/rtf"),
    (b"%!PS", "application/postscript"),
    (b"SQLite format 3\0", "application/vnd.sqlite3"),
    (b"\x7fELF", "application/x-executable"),
    (b"MZ\x90", "application/x-executable"),
    (b"ID3", "audio/mpeg"),
    (b"OggS", "audio/ogg"),
    (b"fLaC", "audio/flac"),
    (b"\x1aE\xdf\xa3", "video/webm"),
    (b"AT&TFORM", "image/vnd.djvu"),
)

_OPEN_DOCUMENT = {
    ODT: ODT,
    ODT + "-template": ODT,
    ODP: ODP,
    ODP + "-template": ODP,
    ODS: ODS,
    ODS + "-template": ODS,
    EPUB: EPUB,
}

_SOURCE_SUFFIXES = frozenset(
    [
        ".py",
        ".pyx",
        ".js",
        ".mjs",
        ".ts",
        ".tsx",
        ".jsx",
        ".c",
        ".h",
        ".cc",
        ".cpp",
        ".hpp",
        ".java",
        ".go",
        ".rs",
        ".rb",
        ".php",
        ".sh",
        ".bash",
        ".sql",
        ".css",
        ".scss",
        ".r",
        ".jl",
        ".m",
        ".kt",
        ".swift",
        ".scala",
        ".pl",
        ".lua",
        ".cs",
        ".vb",
        ".bat",
        ".ps1",
        ".toml",
        ".ini",
        ".cfg",
        ".conf",
        ".yaml",
        ".yml",
        ".sty",
        ".cls",
        ".bst",
        ".bib",
        ".bbl",
        ".properties",
        ".diff",
        ".patch",
        ".mk",
        ".cmake",
        ".gradle",
        ".dockerfile",
    ]
)
_TEXT_SUFFIXES = {
    ".md": "text/markdown",
    ".markdown": "text/markdown",
    ".mkd": "text/markdown",
    ".csv": "text/csv",
    ".tsv": "text/csv",
    ".tab": "text/csv",
    ".tex": "text/x-tex",
    ".ltx": "text/x-tex",
    ".adoc": "text/asciidoc",
    ".asciidoc": "text/asciidoc",
    ".asc": "text/asciidoc",
    ".json": "application/json",
    ".jsonl": "application/jsonl",
    ".ndjson": "application/jsonl",
}

_WESTERN = frozenset({"cp1252", "mac_roman", "latin_1", "cp1250", "cp437", "cp850", "cp858"})
_HTML_START = re.compile(r"(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body)\b", re.I | re.S)
_HTML_TAG = re.compile(
    r"</?(?:html|head|body|p|div|span|table|tr|td|ul|ol|li|h[1-6]|br|a|b|i|em|strong|script|style"
    r"|meta|title|article|section|pre|blockquote)(?:\s[^<>]*)?/?>",
    re.I,
)
_HEADER = re.compile(r"([!-9;-~]{1,60}):[ \t]?\S?")
_MAIL_NAMES = frozenset(
    [
        "from",
        "to",
        "cc",
        "subject",
        "date",
        "message-id",
        "received",
        "return-path",
        "delivered-to",
        "mime-version",
        "content-type",
        "reply-to",
        "x-mailer",
        "dkim-signature",
        "in-reply-to",
        "references",
        "sender",
        "x-original-to",
        "envelope-to",
        "content-transfer-encoding",
        "x-received",
        "arc-seal",
        "authentication-results",
    ]
)
_SURE_MAIL = frozenset(
    ["from", "received", "return-path", "message-id", "mime-version", "delivered-to"]
)
_MARKDOWN = (
    re.compile(r"^#{1,6} \S", re.M),
    re.compile(r"^(?:```|~~~)", re.M),
    re.compile(r"\[[^\]\n]+\]\([^)\s]+\)"),
    re.compile(r"^\|?(?:\s*:?-{3,}:?\s*\|)+", re.M),
    re.compile(r"\*\*[^*\n]+\*\*"),
    re.compile(r"^\s*[-*+] \S", re.M),
    re.compile(r"^> \S", re.M),
)


def recognise(file: Path, name: str) -> str:
    """Return the media type of a file's content; `UNKNOWN` for bytes that nothing explains.

    Args:
        name: as its owner calls it; believed only between kinds of text (Markdown, CSV, plain).

    Raises:
        InvalidInput: `empty`.
    """
    with file.open("rb") as stream:
        head = stream.read(_HEAD_BYTES)
    if not head:
        raise InvalidInput(
            "the file is empty: check that it was saved or copied completely", code="empty"
        )
    if b"%PDF-" in head[:1024]:
        return "application/pdf"
    if head[:4] in (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08"):
        return _zipped(file, head)
    if head.startswith(ole.MAGIC):
        return _compound(file)
    if head[:4] == b"RIFF":
        return "image/webp" if head[8:12] == b"WEBP" else UNKNOWN
    if head[4:8] == b"ftyp":
        brand = head[8:12]
        return "image/heic" if brand in (b"heic", b"heix", b"mif1", b"avif") else "video/mp4"
    if head[:2] == b"BM" and len(head) > 18 and head[6:10] == b"\0\0\0\0":
        return "image/bmp"
    for magic, media_type in _MAGIC:
        if head.startswith(magic):
            return media_type
    if head[257:262] == b"ustar" and tarfile.is_tarfile(file):
        return "application/x-tar"
    return _textual(head, name, whole=len(head) < _HEAD_BYTES)


def _zipped(file: Path, head: bytes) -> str:
    try:
        with zipfile.ZipFile(file) as archive:
            names = set(archive.namelist())
            declared = _declared(archive)
    except (zipfile.BadZipFile, OSError, ValueError, EOFError, NotImplementedError):
        # Cut off before the directory: the first members' names stand in the clear.
        names = {
            n.decode("utf-8", "replace") for n in re.findall(rb"(?:word|xl|ppt)/[\w./]+", head)
        }
        declared = None
        if b"mimetypeapplication/" in head[:200]:
            found = re.search(rb"mimetype(application/[\w.+-]+?)(?:PK|\0|$)", head[:200])
            declared = found.group(1).decode("ascii") if found else None
    if declared in _OPEN_DOCUMENT:
        return _OPEN_DOCUMENT[declared]
    for prefix, media_type in (("word/", DOCX), ("ppt/", PPTX), ("xl/", XLSX)):
        if any(n.startswith(prefix) for n in names) and _is_package(names):
            return XLSB if "xl/workbook.bin" in names else media_type
    if "META-INF/container.xml" in names:
        return EPUB
    if any(
        n in names or any(m.endswith("/" + n) for m in names)
        for n in ("Index/Document.iwa", "index.apxl", "Index.zip")
    ) or (
        "index.xml" in names and any(n.startswith(("QuickLook/", "buildVersion")) for n in names)
    ):
        return IWORK
    return ZIP


def _is_package(names: set[str]) -> bool:
    return "[Content_Types].xml" in names or not any("Content" in n for n in names)


def _declared(archive: zipfile.ZipFile) -> str | None:
    try:
        info = archive.getinfo("mimetype")
        if info.file_size > 200 or info.flag_bits & 1:
            return None
        return archive.read(info).decode("ascii", "replace").strip()
    except (KeyError, zipfile.BadZipFile, OSError, NotImplementedError, RuntimeError, EOFError):
        return None


def _compound(file: Path) -> str:
    try:
        entries = ole.Compound(file.read_bytes()).entries
    except InvalidInput:
        return "application/x-ole-storage"
    top = {e.path[0].lower() for e in entries if len(e.path) == 1}
    for name, media_type in (
        ("encryptedpackage", ENCRYPTED_OFFICE),
        ("worddocument", "application/msword"),
        ("workbook", "application/vnd.ms-excel"),
        ("book", "application/vnd.ms-excel"),
        ("powerpoint document", "application/vnd.ms-powerpoint"),
        ("__properties_version1.0", "application/vnd.ms-outlook"),
    ):
        if name in top:
            return media_type
    return "application/x-ole-storage"


def _textual(head: bytes, name: str, *, whole: bool) -> str:
    decoded = decode(head)
    n = max(len(decoded.text), 1)
    spare = 0 if whole else 3  # the head may end inside a character
    n_odd = sum(1 for c in decoded.text if "\x80" <= c <= "\x9f")
    # No Western text is a third accents: that would be records, or a mainframe's characters.
    n_high = sum(1 for c in decoded.text if c > "\x7f") if decoded.encoding in _WESTERN else 0
    if (
        decoded.n_control > max(2, n // 20)
        or (decoded.n_replaced - spare) + n_odd > n // 10
        or n_high > 0.3 * n
    ):
        return UNKNOWN
    text = decoded.text.lstrip()
    markup = _markup(text)
    if markup:
        return markup
    if _is_mail(text):
        return "message/rfc822"
    if re.match(r"From \S+.*\d{4}\s*\n[!-9;-~]+:", text):
        return "application/mbox"
    if text.startswith("WEBVTT") or re.match(r"\d+\n\d\d:\d\d:\d\d,\d{3} --> ", text):
        return "text/vtt"
    suffix = Path(name.replace("\n", " ")).suffix.lower()
    return _json(text, suffix, whole=whole) or _by_name(text, suffix)


def _by_name(text: str, suffix: str) -> str:
    """Kinds of text that bytes alone do not tell apart."""
    if re.search(r"^\s*\\(?:documentclass|documentstyle|begin\{document\})", text, re.M):
        return "text/x-tex" if suffix not in _SOURCE_SUFFIXES else SOURCE
    if suffix in _TEXT_SUFFIXES and not suffix.startswith(".json"):
        return _TEXT_SUFFIXES[suffix]
    if suffix in _SOURCE_SUFFIXES or text.startswith("#!"):
        return SOURCE
    if suffix not in (".txt", ".text", ".log"):
        if _is_delimited(text):
            return "text/csv"
        if sum(bool(p.search(text)) for p in _MARKDOWN) >= 3:
            return "text/markdown"
    return "text/plain"


def _markup(text: str) -> str | None:
    if not text.startswith("<"):
        return None
    if _HTML_START.match(text):
        return "text/html"
    if text.startswith("<?xml") or re.match(r"<!DOCTYPE\s", text):
        return "text/html" if re.search(r"<html[\s>]", text[:2048], re.I) else "application/xml"
    start = text[:4096]
    if len(_HTML_TAG.findall(start)) >= 2:
        return "text/html"
    name = re.match(r"<([A-Za-z_][\w.:-]*)", text)
    return "application/xml" if name and f"</{name.group(1)}>" in text else None


def _is_mail(text: str) -> bool:
    names: set[str] = set()
    for line in text[:8192].split("\n")[:60]:
        if not line.strip():
            break
        if line[0] in " \t":
            if not names:
                return False
            continue
        match = _HEADER.match(line)
        if not match:
            break
        names.add(match.group(1).lower())
    known = names & _MAIL_NAMES
    return bool(known & _SURE_MAIL) and (len(known) >= 2)


def _json(text: str, suffix: str, *, whole: bool) -> str | None:
    if text[:1] not in "{[":
        return None
    if whole:
        try:
            json.loads(text)
        except (ValueError, RecursionError):
            pass  # JSON lines, or not JSON
        else:
            return "application/json"
    lines = [line for line in text.split("\n", 4)[:3] if line.strip()]
    complete = lines[:-1] if len(lines) == 3 or not whole else lines
    try:
        ok = bool(complete) and all(isinstance(json.loads(x), dict | list) for x in complete)
    except (ValueError, RecursionError):
        ok = False
    if ok and len(lines) > 1:
        return "application/jsonl"
    if suffix in (".json", ".jsonl", ".ndjson") or re.match(r'[{\[]\s*["{\[]', text):
        return _TEXT_SUFFIXES.get(suffix, "application/json") if not whole else None
    return None


def _is_delimited(text: str) -> bool:
    """Whether every line has the same number, two or more, of one delimiter."""
    lines = [line for line in text.split("\n")[:50] if line.strip()][:-1] or []
    if len(lines) < 3:
        return False
    for mark in ",;\t|":
        counts = [line.count(mark) for line in lines]
        least = 1 if mark == "\t" else 2
        usual = max(set(counts), key=counts.count)
        if usual >= least and counts.count(usual) >= 0.9 * len(counts):
            return True
    return False
