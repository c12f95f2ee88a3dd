"""What S3 alone makes difficult: parts left open, wrong keys, servers that stop, lost answers."""

import hashlib
import hmac
import io
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest

from salient.errors import Conflict, LimitExceeded, Misconfigured, TimedOut, Unavailable
from salient.storage.blob import Blobs
from salient.storage.blob.s3 import PART_BYTES


@pytest.fixture
def prefix():
    return f"t{uuid.uuid4().hex[:12]}"


@pytest.fixture
def s3(servers):
    return servers("s3")


@pytest.fixture
def blobs(s3, prefix):
    with Blobs.open(s3.at(prefix)) as store:
        yield store


class Breaking(io.RawIOBase):
    """A source that fails after `good` bytes."""

    def __init__(self, good):
        self.left = good

    def read(self, size=-1, /):
        if self.left <= 0:
            raise ConnectionResetError("the source is gone")
        size = min(self.left, size)
        self.left -= size
        return bytes(size)


def parts_left_open(url, prefix):
    """The uploads of parts that nobody finished or gave up, by a request signed as AWS asks."""
    options = {k: v[0] for k, v in parse_qs(urlsplit(url).query).items()}
    host, bucket = urlsplit(options["endpoint"]).netloc, urlsplit(url).netloc
    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    empty = hashlib.sha256(b"").hexdigest()
    names = "host;x-amz-content-sha256;x-amz-date"
    asked = "\n".join([
        "GET", f"/{bucket}", f"prefix={prefix}&uploads=",
        f"host:{host}\nx-amz-content-sha256:{empty}\nx-amz-date:{now}\n", names, empty,
    ])  # fmt: skip
    scope = f"{now[:8]}/{options['region']}/s3/aws4_request"
    signed = "\n".join(["AWS4-HMAC-SHA256", now, scope, hashlib.sha256(asked.encode()).hexdigest()])
    key = b"AWS4" + options["secret_key"].encode()
    for part in (*scope.split("/"), signed):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    request = urllib.request.Request(
        f"http://{host}/{bucket}?uploads=&prefix={prefix}",
        headers={
            "x-amz-date": now,
            "x-amz-content-sha256": empty,
            "Authorization": f"AWS4-HMAC-SHA256 Credential={options['access_key']}/{scope},SignedHeaders={names},Signature={key.hex()}",
        },
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        text = answer.read().decode()
    assert "ListMultipartUploadsResult" in text
    return re.findall("<UploadId>(.*?)</UploadId>", text)


def test_source_that_breaks_between_parts_leaves_no_upload_open(blobs, s3, prefix):
    blobs.put("k", b"whole")
    for good in (PART_BYTES + 1, 3 * PART_BYTES, 4 * PART_BYTES - 1):
        for condition in ({}, {"only_if_absent": True}, {"if_version": blobs.version("k")}):
            with pytest.raises(ConnectionResetError, match="the source is gone"):
                blobs.put("new" if "only_if_absent" in condition else "k", Breaking(good), **condition)  # fmt: skip
    with pytest.raises(LimitExceeded):
        blobs.put("k", Breaking(5 * PART_BYTES), max_bytes=2 * PART_BYTES)
    assert blobs.get("k") == b"whole"
    assert list(blobs.list()) == ["k"]
    assert parts_left_open(s3.url, prefix) == []


def test_question_for_open_uploads_finds_one(s3, prefix):
    import obstore
    from obstore.store import S3Store

    options = {k: v[0] for k, v in parse_qs(urlsplit(s3.url).query).items()}
    raw = S3Store(
        "salient", endpoint=options["endpoint"], region=options["region"],
        access_key_id=options["access_key"], secret_access_key=options["secret_key"],
        client_options={"allow_http": True},
    )  # fmt: skip
    writer = obstore.open_writer(raw, f"{prefix}/open", buffer_size=5 * 1024 * 1024)
    for _ in range(12):
        writer.write(bytes(1024 * 1024))
    time.sleep(0.5)
    assert len(parts_left_open(s3.url, prefix)) == 1
    writer.close()
    assert parts_left_open(s3.url, prefix) == []


def test_large_put_and_read_take_little_memory(s3, prefix):
    code = """
import json, re, sys
from salient.storage.blob import Blobs

def peak_mb():
    return int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) / 1024

class Long:
    left = 200_000_000
    def read(self, size):
        size = min(size, self.left)
        self.left -= size
        return bytes(size)

blobs = Blobs.open(sys.argv[1])
blobs.put("warm", b"up")
blobs.get("warm")
before = peak_mb()
assert blobs.put("k", Long()) == 200_000_000
put = peak_mb() - before
with blobs.stream("k") as stream:
    seen = 0
    while piece := stream.read(1 << 20):
        seen += len(piece)
assert seen == 200_000_000
print(json.dumps([put, peak_mb() - before]))
"""
    run = subprocess.run(
        [sys.executable, "-c", code, s3.at(prefix)], capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": ":".join(sys.path)},
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    put_mb, all_mb = json.loads(run.stdout)
    assert put_mb < 64
    assert all_mb < 64 + 24


def test_list_goes_on_beyond_a_page(blobs):
    keys = [f"many/{i:04}" for i in range(1100)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: blobs.put(key, b""), keys))
    blobs.put("man", b"")
    assert list(blobs.list("many/")) == keys
    assert list(blobs.list("many/07")) == keys[700:800]
    assert blobs.delete_prefix("many/") == 1100
    assert list(blobs.list()) == ["man"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda url: url.replace("secret_key=", "secret_key=wrong"), "credentials"),
        (lambda url: url.replace("access_key=", "access_key=wrong"), "credentials"),
        (lambda url: url.replace("//salient", "//no-such-bucket"), "no bucket 'no-such-bucket'"),
        (lambda url: url + "&timeuot_s=3", "timeuot_s"),
        (lambda url: url + "&timeout_s=0", "timeout_s"),
        (lambda url: url.replace("//salient", "//"), "s3://bucket"),
        (lambda url: url.replace("//salient", "//salient/" + "x" * 301), "300 bytes"),
    ],
)
def test_wrong_url_is_a_misconfiguration_that_tells_no_secret(s3, prefix, change, words):
    with pytest.raises(Misconfigured, match=re.escape(words)) as info:
        Blobs.open(change(s3.url))
    assert "testsecret" not in f"{info.value} {info.value.context}"


def test_credentials_come_from_the_environment_too(s3, prefix, monkeypatch):
    options = {k: v[0] for k, v in parse_qs(urlsplit(s3.url).query).items()}
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", options["access_key"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", options["secret_key"])
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    with Blobs.open(f"s3://salient/{prefix}?endpoint={options['endpoint']}") as blobs:
        blobs.put("k", b"v")
        assert blobs.get("k") == b"v"


def test_objects_of_other_people_are_not_listed(blobs, s3, prefix):
    with Blobs.open(s3.at()) as root:
        blobs.put("a/b", b"mine")
        options = {k: v[0] for k, v in parse_qs(urlsplit(s3.url).query).items()}
        import obstore
        from obstore.store import S3Store

        raw = S3Store(
            "salient", endpoint=options["endpoint"], region=options["region"],
            access_key_id=options["access_key"], secret_access_key=options["secret_key"],
            client_options={"allow_http": True},
        )  # fmt: skip
        for name in ("report.pdf", "a/plain", "a./x.y", "!_" + "0" * 64):
            obstore.put(raw, f"{prefix}/{name}", b"theirs")
        assert list(blobs.list()) == ["a/b"]
        assert not blobs.exists("report.pdf")
        root.close()


def test_url_for_others_ends(blobs):
    blobs.put("k", b"v")
    url = blobs.presigned("k", expires_s=1)
    changed = blobs.presigned("k").replace("/k?", "/other?")
    for bad in (changed, url.partition("?")[0]):
        with pytest.raises(urllib.error.HTTPError) as info:
            urllib.request.urlopen(bad, timeout=10)
        assert info.value.code == 403
        info.value.close()
    time.sleep(2.5)
    with pytest.raises(urllib.error.HTTPError) as info:
        urllib.request.urlopen(url, timeout=10)
    assert info.value.code == 403
    info.value.close()


# --- servers that stop


def test_server_that_stops_in_mid_read_is_unavailable_and_used_again(servers, prefix):
    content = os.urandom(4 * PART_BYTES)
    with servers("s3", durable=True) as server:
        blobs = Blobs.open(server.at(prefix, timeout_s=3, retry_s=0.5))
        blobs.put("large", content)
        opened = blobs.stream("large")
        driver = blobs._driver
        get = driver._get

        def dying(key, start, end, **pinned):
            if start == PART_BYTES:
                server.kill()
            return get(key, start, end, **pinned)

        driver._get = dying
        with pytest.raises(Unavailable) as info:
            blobs.stream("large")
        del driver._get
        assert f"127.0.0.1:{server.port}" in str(info.value)
        assert "testsecret" not in f"{info.value} {info.value.context}"
        with opened:
            assert opened.read() == content  # what was opened is kept
        for call in (
            lambda: blobs.put("k", b"v"),
            lambda: blobs.put("k", b"v", only_if_absent=True),
            lambda: blobs.put("k", io.BytesIO(content)),
            lambda: blobs.get("large"),
            lambda: blobs.view("large"),
            lambda: blobs.exists("large"),
            lambda: blobs.delete("large"),
            lambda: list(blobs.list()),
            lambda: list(blobs.entries()),
            lambda: blobs.read_range("large", 5, 9),
            lambda: Blobs.open(server.at(prefix, timeout_s=3, retry_s=0.5)),
        ):
            with pytest.raises(Unavailable):
                call()
        server.start()
        until = time.monotonic() + 10
        while True:
            try:
                assert blobs.get("large") == content
            except Unavailable:
                assert time.monotonic() < until
                time.sleep(0.1)
            else:
                break
        assert list(blobs.list()) == ["large"]
        blobs.close()


def test_server_that_hangs_times_out(servers, prefix):
    with servers("s3", durable=True) as server:
        blobs = Blobs.open(server.at(prefix, timeout_s=0.5, retry_s=0))
        blobs.put("k", b"v")
        server.pause()
        try:
            for call in (lambda: blobs.get("k"), lambda: blobs.put("k", b"w", only_if_absent=True)):
                with pytest.raises(TimedOut):
                    call()
        finally:
            server.resume()
        assert blobs.get("k") == b"v"
        blobs.close()


def test_replicas_go_on_without_the_server_that_is_killed(servers, prefix, tmp_path):
    with servers("s3", durable=True) as server:
        url = server.at(prefix, timeout_s=2, retry_s=0.2)
        blobs = Blobs.open(
            f"replicated:[{url}][file:{tmp_path}/a?sync=no][file:{tmp_path}/b?sync=no]?write=quorum"
        )
        stop, written = threading.Event(), {}

        def write(worker):
            for i in range(10_000):
                if stop.is_set():
                    return
                key = f"{worker}/{i % 10}"
                blobs.put(key, b"%d" % i)  # two of three are enough: it may not raise
                written[key] = b"%d" % i
                assert blobs.get(key) == b"%d" % i

        with ThreadPoolExecutor(3) as pool:
            done = [pool.submit(write, worker) for worker in range(3)]
            try:
                time.sleep(1)
                server.kill()
                time.sleep(1)
                server.start()
                time.sleep(1)
            finally:
                stop.set()
            for one in done:
                one.result()
        blobs._driver._replicas[0].away_until = 0.0
        blobs.repair()
        with Blobs.open(url) as alone:
            assert {key: alone.get(key)[32:] for key in alone.list()} == written
        blobs.close()


class Deaf:
    """A proxy that passes requests on and, as often as told, closes instead of passing the answer."""

    def __init__(self, target):
        self.losing = 0
        self.puts = 0
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._target))
            for ends in ((client, server), (server, client)):
                threading.Thread(target=self._pass, args=(*ends, ends[0] is server), daemon=True).start()  # fmt: skip

    def _pass(self, source, sink, answers):
        try:
            while piece := source.recv(65536):
                self.puts += piece.startswith(b"PUT ") and not answers
                if answers and self.losing:
                    self.losing -= 1
                    break
                sink.sendall(piece)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
        source.close()


def test_put_with_a_condition_is_not_sent_twice(s3, prefix):
    port = urlsplit(parse_qs(urlsplit(s3.url).query)["endpoint"][0]).port
    proxy = Deaf(port)
    try:
        url = s3.at(prefix).replace(str(port), str(proxy.port))
        with Blobs.open(url) as blobs:
            proxy.losing = 1
            blobs.put("plain", b"v")
            assert proxy.puts == 2  # what may be done twice is tried again
            for i, condition in enumerate(
                ({"only_if_absent": True}, {"if_version": blobs.version("plain")})
            ):
                proxy.puts, proxy.losing = 0, 1
                key = ("new", "plain")[i]
                with pytest.raises(Unavailable):
                    blobs.put(key, b"once", **condition)
                assert proxy.puts == 1
                assert blobs.get(key) == b"once"  # it was done, and the caller must look
                with pytest.raises(Conflict):
                    blobs.put(key, b"once", **condition)
    finally:
        proxy.close()


def test_closing_leaves_no_connection_open(s3, prefix):
    port = urlsplit(parse_qs(urlsplit(s3.url).query)["endpoint"][0]).port
    import psutil

    def connections():
        return [c for c in psutil.Process().net_connections() if c.raddr and c.raddr.port == port]

    before = len(connections())
    threads = set(threading.enumerate())
    blobs = Blobs.open(s3.at(prefix))
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda i: blobs.put(str(i), b"x"), range(16)))
    assert len(connections()) > before
    blobs.close()
    until = time.monotonic() + 10
    while len(connections()) > before and time.monotonic() < until:
        time.sleep(0.05)
    assert len(connections()) <= before
    assert set(threading.enumerate()) <= threads
