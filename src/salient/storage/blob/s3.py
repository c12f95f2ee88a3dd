"""S3 and its compatibles, by obstore. A blob is one object; `objectnames` says how it is named."""

from __future__ import annotations

import base64
import io
import mmap
import os
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import IO, TYPE_CHECKING, BinaryIO, Literal, cast
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)
from obstore.store import S3Store

from salient.errors import InvalidInput, LimitExceeded, Misconfigured, TimedOut, Unavailable
from salient.storage import objectnames, urls
from salient.storage.blob import CHUNK_BYTES, BlobDriver, Entry, Pieces

if TYPE_CHECKING:
    from obstore import GetOptions, ObjectMeta, PutMode
    from obstore.store import ClientConfig, S3Config

PART_BYTES = 8 * CHUNK_BYTES
"""A source or a blob up to this is one request, and in memory; all others are in parts."""

_AT_ONCE = 3  # parts that are on their way: this and PART_BYTES bound the memory of a put
_ATTEMPTS = 8  # of reading in parts what is replaced again and again
_KEY = "salient-key"
_CREDENTIALS: Mapping[str, Literal["access_key_id", "secret_access_key", "session_token"]] = {
    "access_key": "access_key_id",
    "secret_key": "secret_access_key",
    "session_token": "session_token",
}
_CODE = re.compile(r"<Code>(\w+)</Code>")
_STATUS = re.compile(r"status code: (\d{3})")
_REFUSED = {"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "RequestTimeTooSkewed",
            "ExpiredToken", "InvalidToken", "PermanentRedirect", "AuthorizationHeaderMalformed"}  # fmt: skip


class Driver(BlobDriver):
    """`s3://bucket/prefix?endpoint=http://host:port&region=…&access_key=…&secret_key=…`.

    Without keys, the AWS_* variables count, or the machine's role. Further options:
    `session_token`, `anonymous=yes`, `virtual_host=yes` (the bucket is part of the host's name),
    `timeout_s` (10: of one request), `retry_s` (5: how long a request is tried again).
    """

    features = frozenset({"presigned"})

    def __init__(self, rest: str) -> None:
        place, options = urls.split(rest, "s3 store")
        bucket, _, prefix = place.removeprefix("//").partition("/")
        if not place.startswith("//") or not bucket:
            raise Misconfigured("blobs on S3 are given as s3://bucket/prefix?endpoint=…")
        self._root = prefix.strip("/") + "/" if prefix.strip("/") else ""
        if len(self._root.encode()) > objectnames.MAX_ROOT_BYTES:
            raise Misconfigured("the prefix of an s3 store has 300 bytes at most")
        self._room = objectnames.MAX_NAME_BYTES - len(self._root.encode())
        endpoint = options.text("endpoint") or os.environ.get("AWS_ENDPOINT_URL")
        self._where = (
            f"{bucket!r} at {urlsplit(endpoint).netloc.rpartition('@')[2] if endpoint else 'AWS'}"
        )
        config: S3Config = {
            "skip_signature": options.flag("anonymous"),
            "virtual_hosted_style_request": options.flag("virtual_host"),
        }
        if endpoint:
            config["endpoint"] = endpoint
        region = options.text("region")
        if region or not {"AWS_REGION", "AWS_DEFAULT_REGION"} & set(os.environ):
            config["region"] = region or "us-east-1"
        for option, name in _CREDENTIALS.items():
            value = options.text(option)
            if value is not None:
                config[name] = value
        self._timeout_s = options.number("timeout_s", 10.0, least=0.01)
        retry_s = options.number("retry_s", 5.0)
        options.done()

        def connect(timeout_s: float, retries: int) -> S3Store:
            client: ClientConfig = {
                "timeout": timedelta(seconds=timeout_s),
                "connect_timeout": timedelta(seconds=min(timeout_s, 5.0)),
                "allow_http": bool(endpoint and endpoint.startswith("http://")),
                # A server that went away closes its connections: they must not be used for long.
                "pool_idle_timeout": timedelta(seconds=20),
            }
            return S3Store(
                bucket,
                config=config,
                client_options=client,
                retry_config={
                    "max_retries": retries,
                    "retry_timeout": timedelta(seconds=retry_s),
                    "backoff": {
                        "init_backoff": timedelta(milliseconds=50),
                        "max_backoff": timedelta(seconds=1),
                        "base": 2,
                    },
                },
            )  # fmt: skip

        self._connect = connect
        with self._translated("open"):
            self._store: S3Store | None = connect(self._timeout_s, 4)
            # What has a condition is not tried again: the first attempt may have been done.
            self._once: S3Store | None = connect(self._timeout_s, 0)
            next(iter(obstore.list(self._store, self._root or None, offset=self._root + "~")), None)

    def put(
        self, key: str, source: BinaryIO, *, only_if_absent: bool, if_version: str | None
    ) -> int | None:
        store, once = self._open()
        name = self._name(key)
        attributes = {_KEY: _packed(key)} if objectnames.is_short(name) else {}
        first = _filled(source, PART_BYTES)
        mode: PutMode = "overwrite"
        if only_if_absent:
            mode = "create"
        elif if_version is not None:
            mode = {"e_tag": f'"{if_version}"'}
        if len(first) < PART_BYTES:
            with self._translated("put"):
                try:
                    obstore.put(
                        store if mode == "overwrite" else once, name, first,
                        attributes=attributes, mode=mode, use_multipart=False,
                    )  # fmt: skip
                except (AlreadyExistsError, PreconditionError, FileNotFoundError):
                    # A condition on an object that is not there is answered with 404 by AWS.
                    if mode == "overwrite":
                        raise
                    return None
            return len(first)
        if mode != "overwrite":
            return self._put_whole(name, first, source, attributes, mode)
        parts = _Parts(first, source)
        try:
            with self._translated("put"):
                obstore.put(
                    store, name, iter(parts), attributes=attributes, use_multipart=True,
                    chunk_size=PART_BYTES, max_concurrency=_AT_ONCE,
                )  # fmt: skip
        except Exception:
            if parts.failure is not None:
                raise parts.failure from None  # the source's own
            raise
        return parts.size

    def open(self, key: str) -> BinaryIO | None:
        found = self._fetch(key)
        return io.BytesIO(found) if isinstance(found, bytes) else found

    def view(self, key: str) -> memoryview | None:
        found = self._fetch(key)
        if found is None or isinstance(found, bytes):
            return None if found is None else memoryview(found)
        with found:
            return memoryview(mmap.mmap(found.fileno(), 0, access=mmap.ACCESS_READ))

    def read_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> Pieces | None:
        wanted = [(start, end) for start, end in ranges if start < end]
        if not wanted:
            meta = self._meta(key)
            return None if meta is None else Pieces((b"",) * len(ranges), meta["size"])
        for _ in range(_ATTEMPTS):
            first = self._get(key, *wanted[0])
            if first is None:
                return None
            meta = first[1]
            found = [first[0]]
            for start, end in wanted[1:]:
                got = self._get(key, start, end, pinned=meta)
                if got is None:
                    break
                found.append(got[0])
            if len(found) == len(wanted):
                pieces = iter(found)
                each = (next(pieces) if start < end else b"" for start, end in ranges)
                return Pieces(tuple(each), meta["size"])
            # It was replaced in between: if not much lies between, one request takes all.
            low, high = min(s for s, _ in wanted), max(e for _, e in wanted)
            if min(high, meta["size"]) - low <= PART_BYTES:
                high = min(high, low + PART_BYTES)
                got = self._get(key, low, high)
                if got is None:
                    return None
                hull, meta = got
                if low + len(hull) >= min(meta["size"], max(e for _, e in wanted)):
                    each = (hull[max(0, s - low) : max(0, e - low)] for s, e in ranges)
                    return Pieces(tuple(each), meta["size"])
        raise self._restless()

    def head(self, key: str) -> Entry | None:
        meta = self._meta(key)
        return None if meta is None else _entry(key, meta)

    def delete(self, key: str) -> bool:
        store, _ = self._open()
        name = self._name(key)
        there = self._meta(key) is not None
        with self._translated("delete"):
            if there:
                obstore.delete(store, name)
        return there

    def delete_many(self, keys: Sequence[str]) -> int:
        store, _ = self._open()
        with self._translated("delete"):
            obstore.delete(store, [self._name(key) for key in keys])
        return len(keys)

    def list(self, prefix: str) -> Iterator[str]:
        return (entry.key for entry in self.entries(prefix))

    def entries(self, prefix: str) -> Iterator[Entry]:
        store, _ = self._open()
        if any(not segment for segment in prefix.split("/")[:-1]) or "\0" in prefix:
            return iter(())  # no key has an empty segment
        return self._entries(store, prefix)

    def path(self, key: str) -> Path | None:
        return None

    def presigned(self, key: str, *, expires_s: float, method: Literal["GET", "PUT"]) -> str:
        store, _ = self._open()
        name = self._name(key)
        if method == "PUT" and objectnames.is_short(name):
            # Its key stands in the metadata, which a URL cannot set.
            raise InvalidInput("the key is too long for a URL to put it", key=key[:40])
        with self._translated("sign"):
            return obstore.sign(store, method, name, timedelta(seconds=expires_s))

    def close(self) -> None:
        self._store = self._once = None

    def _open(self) -> tuple[S3Store, S3Store]:
        store, once = self._store, self._once
        if store is None or once is None:
            raise Unavailable("the blob store is closed")
        return store, once

    def _name(self, key: str) -> str:
        return self._root + objectnames.short_name_of(key, self._room)

    def _meta(self, key: str) -> ObjectMeta | None:
        store, _ = self._open()
        with self._translated("head"):
            try:
                return obstore.head(store, self._name(key))
            except FileNotFoundError:
                return None

    def _get(
        self, key: str, start: int, end: int, *, pinned: ObjectMeta | None = None
    ) -> tuple[bytes, ObjectMeta] | None:
        """A range, cut at the end, and what it is of; None if there is no such content any more."""
        store, _ = self._open()
        options: GetOptions = {"range": (start, end)}
        if pinned is not None:
            options["if_match"] = pinned["e_tag"]
        with self._translated("get"):
            try:
                result = obstore.get(store, self._name(key), options=options)
                return bytes(result.bytes()), result.meta
            except (FileNotFoundError, PreconditionError):
                return None
            except BaseError as exc:
                if _status(exc) != "416":
                    raise
        # It starts past the end. Only the whole answer tells where that is.
        meta = self._meta(key)
        if meta is None or (pinned is not None and meta["e_tag"] != pinned["e_tag"]):
            return None
        if start < meta["size"]:
            return self._get(key, start, end, pinned=pinned)  # it has grown since
        return b"", meta

    def _fetch(self, key: str) -> bytes | BinaryIO | None:
        """A whole content: in memory, or in a file that is gone when closed.

        Nothing keeps an object that is replaced or deleted, so what a reader opened is taken at once.
        """
        for _ in range(_ATTEMPTS):
            got = self._get(key, 0, PART_BYTES)
            if got is None:
                return None
            first, meta = got
            if len(first) == meta["size"]:
                return first
            file = cast(BinaryIO, tempfile.TemporaryFile(prefix="salient-"))  # noqa: SIM115 # the reader's
            try:
                whole = self._download(key, file, first, meta)
            except BaseException:
                file.close()
                raise
            if whole:
                return file
            file.close()
        raise self._restless()

    def _restless(self) -> Unavailable:
        return Unavailable(f"a blob of {self._where} is replaced faster than it can be read")

    def _download(self, key: str, file: IO[bytes], first: bytes, meta: ObjectMeta) -> bool:
        handle = file.fileno()
        size = meta["size"]
        with _disk():
            os.truncate(handle, size)
            os.pwrite(handle, first, 0)

        def part(start: int) -> bool:
            got = self._get(key, start, min(start + PART_BYTES, size), pinned=meta)
            if got is None:
                return False
            with _disk():
                return os.pwrite(handle, got[0], start) == len(got[0])

        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="salient-store-s3") as pool:
            return all(list(pool.map(part, range(len(first), size, PART_BYTES))))

    def _put_whole(
        self, name: str, first: bytes, source: BinaryIO, attributes: dict[str, str], mode: PutMode
    ) -> int | None:
        """A long source with a condition: parts know none, so it is one request, from a file."""
        with tempfile.TemporaryFile(prefix="salient-") as file:
            piece, size = first, 0
            while piece:
                with _disk():
                    file.write(piece)
                size += len(piece)
                piece = source.read(CHUNK_BYTES)
            file.flush()
            patient = self._connect(self._timeout_s * (1 + size / PART_BYTES), 0)
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            with self._translated("put"):
                try:
                    obstore.put(
                        patient, name, mapped, attributes=attributes, mode=mode, use_multipart=False
                    )
                except (AlreadyExistsError, PreconditionError, FileNotFoundError):
                    return None
        return size

    def _entries(self, store: S3Store, prefix: str) -> Iterator[Entry]:
        bound = objectnames.name_of(prefix)
        folder = objectnames.deep_folder(bound)
        offset = None
        if not folder:
            folder = bound[: bound.rfind("/") + 1]
            # Whatever is listed comes after it; what has the prefix sorts from `bound` on.
            offset = self._root + bound[:-1] if bound != folder else None

        def names() -> Iterator[tuple[str, ObjectMeta]]:
            with self._translated("list"):
                for batch in obstore.list(
                    store, (self._root + folder) or None, offset=offset, chunk_size=1000
                ):
                    for meta in batch:
                        yield meta["path"].removeprefix(self._root), meta

        wanted = prefix.encode()
        before = b""
        for key, meta in objectnames.in_order(names(), self._key_at):
            raw = key.encode()
            if raw <= before:
                raise Misconfigured(f"the S3 server of {self._where} does not list in order")
            before = raw
            if raw.startswith(wanted):
                yield _entry(key, meta)
            elif raw > wanted:
                return

    def _key_at(self, name: str) -> str | None:
        store, _ = self._open()
        with self._translated("list"):
            try:
                attributes = obstore.get(store, self._root + name).attributes
            except FileNotFoundError:
                return None
        return _unpacked(attributes.get(_KEY, ""))

    @contextmanager
    def _translated(self, doing: str) -> Iterator[None]:
        """The one place where obstore's exceptions become ours."""
        try:
            yield
        except (PermissionDeniedError, UnauthenticatedError) as exc:
            raise Misconfigured(
                f"the S3 server refuses to {doing} in {self._where}: check the credentials",
                reason=_reason(exc),
            ) from exc
        except (BaseError, FileNotFoundError, ValueError, OSError) as exc:
            raise self._ours(exc, doing) from exc

    def _ours(self, exc: Exception, doing: str) -> Exception:
        text, status, reason = str(exc), _status(exc), _reason(exc)
        if reason == "NoSuchBucket":
            return Misconfigured(f"there is no bucket {self._where}")
        if status in ("401", "403") or reason in _REFUSED:
            return Misconfigured(
                f"the S3 server refuses to {doing} in {self._where}: check the credentials",
                reason=reason,
            )
        if reason == "EntityTooLarge":
            return LimitExceeded("the blob is too large for the S3 server")
        if isinstance(exc, ValueError):
            return Misconfigured(f"the S3 store {self._where} cannot be set up: {text[:200]}")
        kind = TimedOut if "timed out" in text or "TimedOut" in text else Unavailable
        return kind(f"the S3 server of {self._where} cannot {doing}", reason=reason or text[:300])


class _Parts:
    """A source in pieces, counted; what it raises is kept, since it comes back through obstore."""

    def __init__(self, first: bytes, source: BinaryIO) -> None:
        self._first, self._source = first, source
        self.size = 0
        self.failure: BaseException | None = None

    def __iter__(self) -> Iterator[bytes]:
        piece = self._first
        self._first = b""
        while piece:
            self.size += len(piece)
            yield piece
            try:
                piece = self._source.read(CHUNK_BYTES)
            except BaseException as exc:
                self.failure = exc
                raise


def _filled(source: BinaryIO, size: int) -> bytes:
    """`size` bytes, or all that there are."""
    pieces, seen = [], 0
    while seen < size and (piece := source.read(size - seen)):
        pieces.append(piece)
        seen += len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _entry(key: str, meta: ObjectMeta) -> Entry:
    version = (meta["e_tag"] or "").strip('"')
    return Entry(key, meta["size"], meta["last_modified"], version)


def _packed(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode()).decode()


def _unpacked(text: str) -> str | None:
    try:
        return base64.urlsafe_b64decode(text).decode() or None
    except ValueError:
        return None


def _status(exc: Exception) -> str | None:
    found = _STATUS.search(str(exc))
    return found and found[1]


def _reason(exc: Exception) -> str | None:
    found = _CODE.search(str(exc))
    return found and found[1]


@contextmanager
def _disk() -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        raise Unavailable(f"the folder for temporary files cannot be used: {exc.strerror}") from exc
