"""Records reach every kind of destination, and one that is away holds up nobody."""

import json
import logging
import multiprocessing
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from salient import log
from salient.errors import Misconfigured
from salient.log import background, destinations


@pytest.fixture(autouse=True)
def untouched():
    """Give the root logger back as it was."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    for handler in list(root.handlers):
        if isinstance(handler, destinations.OURS):
            root.removeHandler(handler)
            handler.close()
    for handler in handlers:
        if handler not in root.handlers:
            root.addHandler(handler)
    root.setLevel(level)


def sent_to(url, *, say=None):
    """Log two records, ours and a foreign one, and end logging."""
    handler = destinations.open_one(url, "json")
    ours = logging.getLogger("salient.test")
    ours.addHandler(handler)
    ours.setLevel("INFO")
    try:
        with log.bound({"request_id": "r-1"}):
            log.get("salient.test").info("document.stored", size_bytes=3, title="é🜚", name="n")
        ours.warning("plain %s", "words")
        if say is not None:
            say(log.get("salient.test"))
        handler.flush()
    finally:
        ours.removeHandler(handler)
        handler.close()


def lines(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def checked(records):
    first, second = records
    assert first["event"] == "document.stored"
    assert (first["size_bytes"], first["title"], first["request_id"]) == (3, "é🜚", "r-1")
    assert first["name_"] == "n"
    assert first["level"] == "info"
    assert second["event"] == "plain words"


def test_file_takes_json_lines(tmp_path):
    sent_to(f"file:{tmp_path}/a folder/salient.log")
    checked(lines(tmp_path / "a folder/salient.log"))


def test_file_is_turned_over_and_older_ones_are_kept(tmp_path):
    def many(logger):
        for i in range(200):
            logger.info("counted", i=i)

    sent_to(f"file:{tmp_path}/s.log?max_bytes=5000&keep=3", say=many)
    files = sorted(p.name for p in tmp_path.iterdir() if p.suffix != ".lock")
    assert files == ["s.log", "s.log.1", "s.log.2", "s.log.3"]
    assert all((tmp_path / f).stat().st_size <= 5000 for f in files)
    last = [record for f in reversed(files) for record in lines(tmp_path / f)]
    numbers = [r["i"] for r in last if r["event"] == "counted"]
    assert numbers == list(range(numbers[0], 200))


def _write_many(path, name):
    handler = destinations.open_one(f"file:{path}?max_bytes=20000&keep=100", "json")
    for i in range(300):
        handler.emit(logging.makeLogRecord({"msg": "counted", "name": name, "levelno": 20, "i": i}))
    handler.close()


def test_processes_share_a_file_and_lose_no_line(tmp_path):
    spawn = multiprocessing.get_context("spawn")
    workers = [
        spawn.Process(target=_write_many, args=(tmp_path / "s.log", f"w{n}")) for n in range(3)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    seen = [
        (record["logger"], record["i"])
        for file in tmp_path.glob("s.log*")
        if file.suffix != ".lock"
        for record in lines(file)
    ]
    assert sorted(seen) == sorted((f"w{n}", i) for n in range(3) for i in range(300))


def test_file_that_was_moved_away_is_made_anew(tmp_path):
    def move(logger):
        (tmp_path / "s.log").rename(tmp_path / "moved.log")
        logger.info("after")

    sent_to(f"file:{tmp_path}/s.log", say=move)
    assert "after" in (tmp_path / "s.log").read_text()
    assert "document.stored" in (tmp_path / "moved.log").read_text()


@pytest.mark.parametrize("protocol", ["udp", "tcp"])
def test_syslog_server_gets_rfc_5424(protocol):
    kind = socket.SOCK_DGRAM if protocol == "udp" else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET, kind) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(10)
        if protocol == "tcp":
            server.listen()
        got = []

        def take():
            if protocol == "udp":
                got.extend(server.recv(70_000) for _ in range(2))
                return
            peer, _ = server.accept()
            with peer, peer.makefile("rb") as stream:
                for _ in range(2):
                    size = int(b"".join(iter(lambda: stream.read(1), b" ")))
                    got.append(stream.read(size))

        taking = threading.Thread(target=take)
        taking.start()
        port = server.getsockname()[1]
        sent_to(f"syslog://127.0.0.1:{port}?protocol={protocol}&facility=local0")
        taking.join(10)
    assert got[0].startswith(b"<134>1 20")  # local0.info
    assert got[1].startswith(b"<132>1 20")  # local0.warning
    checked([json.loads(m.partition(b" - - ")[2]) for m in got])


def test_local_syslog_socket(tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(str(tmp_path / "log"))
        server.settimeout(10)
        sent_to(f"syslog:{tmp_path}/log")
        got = [server.recv(70_000) for _ in range(2)]
    checked([json.loads(m.partition(b" - - ")[2]) for m in got])


class _Collector(HTTPServer):
    def __init__(self, statuses=()):
        self.requests, self.statuses = [], list(statuses)
        super().__init__(("127.0.0.1", 0), _Collecting)


class _Collecting(BaseHTTPRequestHandler):
    def do_POST(self):
        import gzip

        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        status = self.server.statuses.pop(0) if self.server.statuses else 200
        if status == 200:
            self.server.requests.append((self.path, ExportLogsServiceRequest.FromString(body)))
        self.send_response(status)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def collector():
    server = _Collector()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_collector_gets_opentelemetry_records(collector):
    sent_to(f"otlp://127.0.0.1:{collector.server_port}?service=archive")
    (path, request), *_ = collector.requests
    assert path == "/v1/logs"
    resource = request.resource_logs[0]
    assert {a.key: a.value.string_value for a in resource.resource.attributes}[
        "service.name"
    ] == "archive"
    records = [
        r
        for _, q in collector.requests
        for s in q.resource_logs[0].scope_logs
        for r in s.log_records
    ]
    first = next(r for r in records if r.body.string_value == "document.stored")
    fields = {a.key: a.value for a in first.attributes}
    assert fields["request_id"].string_value == "r-1"
    assert fields["size_bytes"].int_value == 3
    assert first.severity_text == "INFO"
    assert any(r.body.string_value == "plain words" for r in records)


def test_redis_stream(servers):
    import redis

    url = servers("redis").url
    stream = f"test:log:{time.time_ns()}"
    sent_to(f"{url}/0?stream={stream}&max_length=50")
    with redis.Redis.from_url(f"{url}/0") as client:
        rows = client.xrange(stream)
        client.delete(stream)
    checked([json.loads(fields[b"record"]) for _, fields in rows])


class _Away(background.Sender):
    """A server that is away until told otherwise."""

    def __init__(self):
        self.here, self.got = False, []

    def send(self, records):
        if not self.here:
            raise background.Unavailable("away")
        self.got += records

    def close(self):
        pass


def test_destination_that_is_away_holds_up_nobody_and_gets_what_was_kept(monkeypatch):
    monkeypatch.setattr(background, "_WAITING", 100)
    monkeypatch.setattr(background, "_PAUSE_S", 0.01)
    sender = _Away()
    handler = background.Background(sender)
    record = logging.makeLogRecord({"msg": "said", "levelno": 20, "levelname": "INFO"})
    for _ in range(1000):
        handler.emit(record)
    sender.here = True
    handler.flush()
    handler.emit(record)
    handler.close()
    said = [r for r in sender.got if r["event"] == "said"]
    dropped = [r["n_records"] for r in sender.got if r["event"] == "log.dropped"]
    assert len(said) + sum(dropped) == 1001
    assert dropped
    assert len(said) >= 100


def test_ending_does_not_wait_for_a_destination_that_stays_away(monkeypatch):
    monkeypatch.setattr(background, "_LAST_WORDS_S", 0.2)
    handler = background.Background(_Away())
    handler.emit(logging.makeLogRecord({"msg": "said"}))
    handler.close()
    assert not handler._outbox._thread.is_alive()


@pytest.mark.parametrize(
    "url",
    [
        "nowhere:", "stderr", "file:", "file:/nowhere/x?max_bytes=1", "file:/nowhere/x?keep=x", "stderr:?form=xml",
        "stderr:?colour=yes", "syslog:", "syslog://h:514?protocol=quic", "syslog://h:x", "syslog://h:514?facility=kitchen",
        "otlp:", "redis://h:6379/0?max_length=0",
    ],
)  # fmt: skip
def test_wrong_destination_is_a_misconfiguration(url):
    with pytest.raises(Misconfigured):
        log.configure("json", "INFO", ["stderr:", url])


def test_configuring_sends_to_all_and_is_known_afterwards(tmp_path, capsys):
    log.configure("json", "INFO", ["stderr:", f"file:{tmp_path}/s.log?form=text"])
    log.get("salient.test").info("said.twice", n=2)
    logging.getLogger().handlers[0].flush()
    assert json.loads(capsys.readouterr().err)["event"] == "said.twice"
    assert "said.twice" in (tmp_path / "s.log").read_text()
    assert log.configured() == log.Configured(
        "json", "INFO", ("stderr:", f"file:{tmp_path}/s.log?form=text")
    )


def test_correlation_is_what_was_bound_of_it():
    with log.bound({"request_id": "r", "job_id": "j", "colour": "red"}):
        assert log.correlation() == {"request_id": "r", "job_id": "j"}
    assert log.correlation() == {}
