"""Probes say the truth quickly, whatever the parts and the askers are at."""

import http.client
import json
import signal
import socket
import threading
import time
import urllib.error
import urllib.request
from contextlib import contextmanager

import pytest
import uvicorn
from fastapi.testclient import TestClient

import salient
from salient.errors import Misconfigured, Unavailable
from salient.interfaces import probes, rest, server


def alive():
    return True


def ask(server, path):
    try:
        with urllib.request.urlopen(f"http://{server.address}{path}", timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.read()


def ready(server):
    status, body = ask(server, "/ready")
    return status, json.loads(body)["parts"]


class Part:
    """A part that answers, fails or hangs, as it is told."""

    def __init__(self):
        self.n, self.error = 0, None
        self.may_answer = threading.Event()
        self.may_answer.set()

    def __call__(self):
        self.n += 1
        self.may_answer.wait(60)
        if self.error is not None:
            raise self.error


@pytest.fixture
def part():
    made = Part()
    yield made
    made.may_answer.set()


@contextmanager
def no_waiting(monkeypatch, *, fresh_s=0.0, patience_s=30.0):
    monkeypatch.setattr(probes, "_FRESH_S", fresh_s)
    monkeypatch.setattr(probes, "_PATIENCE_S", patience_s)
    yield


def test_a_part_that_fails_is_named_and_its_words_are_not(part):
    part.error = Unavailable("postgresql://me:secret@db/ does not answer")
    with probes.serve("127.0.0.1:0", {"tables": part, "blobs": alive}, alive) as server:
        status, body = ask(server, "/ready")
    assert status == 503
    assert json.loads(body) == {"ready": False, "parts": {"blobs": "ok", "tables": "unavailable"}}
    assert b"secret" not in body


def test_a_fault_of_a_check_is_an_answer_too(part):
    part.error = RuntimeError("secret")
    with probes.serve("127.0.0.1:0", {"tables": part}, alive) as server:
        assert ready(server) == (503, {"tables": "fault"})


def test_a_part_that_comes_back_is_ready(part, monkeypatch):
    with (
        no_waiting(monkeypatch),
        probes.serve("127.0.0.1:0", {"tables": part}, alive) as server,
    ):
        part.error = Unavailable("away")
        assert ready(server) == (503, {"tables": "unavailable"})
        part.error = None
        assert ready(server) == (200, {"tables": "ok"})


def test_many_who_ask_are_one_question(part, monkeypatch):
    with (
        no_waiting(monkeypatch, fresh_s=3600.0),
        probes.serve("127.0.0.1:0", {"tables": part}, alive) as server,
    ):
        assert [ready(server)[0] for _ in range(20)] == [200] * 20
    assert part.n == 1


def test_a_part_that_hangs_holds_one_thread_and_nobody_for_long(part, monkeypatch):
    part.may_answer.clear()
    with (
        no_waiting(monkeypatch, patience_s=0.05),
        probes.serve("127.0.0.1:0", {"tables": part, "blobs": alive}, alive) as server,
    ):
        for _ in range(20):
            assert ready(server) == (503, {"blobs": "ok", "tables": "timed_out"})
        assert part.n == 1
        names = [t.name for t in threading.enumerate()]
        assert names.count("salient-probe-tables") == 1
        monkeypatch.setattr(probes, "_PATIENCE_S", 30.0)
        part.may_answer.set()
        assert ready(server) == (200, {"blobs": "ok", "tables": "ok"})


def test_closing_does_not_wait_for_a_part_that_hangs(part, monkeypatch):
    part.may_answer.clear()
    with no_waiting(monkeypatch, patience_s=0.05):
        server = probes.serve("127.0.0.1:0", {"tables": part}, alive)
        assert ready(server)[0] == 503
        server.close()  # the test's own time limit is what would notice
    assert not part.may_answer.is_set()


def test_from_the_beginning_of_the_end_nothing_is_ready_and_all_else_goes_on(part):
    with probes.serve("127.0.0.1:0", {"tables": part}, alive) as server:
        assert ready(server)[0] == 200
        server.stopping()
        assert ready(server) == (503, {"process": "stopping"})
        assert ask(server, "/health")[0] == 200
        assert ask(server, "/metrics")[0] == 200


def test_a_loop_that_stands_still_is_dead():
    pulse = probes.Pulse(3600)
    with probes.serve("127.0.0.1:0", {}, pulse) as server:
        assert ask(server, "/health") == (200, b'{"alive": true}')
        pulse._at -= 3601
        assert ask(server, "/health") == (503, b'{"alive": false}')
        pulse.beat()
        assert ask(server, "/health")[0] == 200


def test_a_loop_may_stand_still_while_what_it_waits_for_is_away(part, monkeypatch):
    pulse = probes.Pulse(0.0, waits_for=part)
    with no_waiting(monkeypatch):
        assert not pulse()
        part.error = Unavailable("away")
        assert pulse()
        part.error = None
        assert not pulse()
        monkeypatch.setattr(probes, "_PATIENCE_S", 0.05)
        part.may_answer.clear()
        assert pulse()
        part.may_answer.set()
        pulse.close()


def test_other_paths_and_methods_do_nothing():
    with probes.serve("127.0.0.1:0", {}, alive) as server:
        status, body = ask(server, "/etc/passwd")
        assert (status, json.loads(body)["probes"]) == (404, ["/health", "/metrics", "/ready"])
        host, _, port = server.address.rpartition(":")
        for method, status in (("POST", 501), ("HEAD", 200), ("DELETE", 501)):
            connection = http.client.HTTPConnection(host, int(port), timeout=30)
            connection.request(method, "/health?x=1")
            assert connection.getresponse().status == status
            connection.close()


def test_clients_that_say_nothing_cannot_use_up_threads(monkeypatch):
    monkeypatch.setattr(probes, "_AT_ONCE", 4)
    with probes.serve("127.0.0.1:0", {}, alive) as server:
        host, _, port = server.address.rpartition(":")
        silent = [socket.create_connection((host, int(port)), 30) for _ in range(12)]
        for client in silent[4:]:
            assert client.recv(1) == b""  # told nothing
        for client in silent[:4]:
            client.close()
        deadline = time.monotonic() + 30
        while True:  # until their threads have seen that they went
            try:
                assert ask(server, "/health")[0] == 200
                break
            except (urllib.error.URLError, ConnectionError):
                assert time.monotonic() < deadline
        for client in silent[4:]:
            client.close()


@pytest.mark.parametrize("address", ["", "9100", "host:", "host:x", "127.0.0.1:70000", "no.such.host.invalid:1"])  # fmt: skip
def test_wrong_address_is_a_misconfiguration(address):
    with pytest.raises(Misconfigured):
        probes.serve(address, {}, alive)


def test_an_address_that_is_taken_is_said():
    with (
        probes.serve("127.0.0.1:0", {}, alive) as server,
        pytest.raises(Misconfigured, match="probes"),
    ):
        probes.serve(server.address, {}, alive)


# --- of the API


@pytest.fixture
def opened(tmp_path):
    with salient.open(tmp_path / "data", web={"token": "s3cret"}) as workspace:
        yield workspace


def test_api_needs_no_token_for_probes_and_has_one_part_a_store(opened):
    with TestClient(rest.create(opened.app), base_url="http://127.0.0.1:8080") as client:
        assert client.get("/health").json() == {"alive": True}
        answer = client.get("/ready")
        assert (answer.status_code, answer.json()["ready"]) == (200, True)
        assert set(answer.json()["parts"]) == set(type(opened.app.settings.storage).model_fields)
        assert client.get("/metrics").status_code == 401


def test_api_answers_while_calls_that_hang_have_taken_every_thread(opened, monkeypatch, part):
    part.may_answer.clear()
    monkeypatch.setattr(probes, "_PATIENCE_S", 0.3)
    monkeypatch.setattr(opened.app.context.cache, "get", lambda _: part())
    api = rest.create(opened.app)

    @api.get("/v1/hanging")
    def hanging():
        part.may_answer.wait(60)

    api.router.routes.insert(0, api.router.routes.pop())
    with TestClient(api, base_url="http://localhost") as client:
        headers = {"Authorization": "Bearer s3cret"}
        calls = [
            threading.Thread(target=client.get, args=("/v1/hanging",), kwargs={"headers": headers})
            for _ in range(45)
        ]
        for call in calls:
            call.start()
        answer = client.get("/ready")
        assert answer.status_code == 503
        assert answer.json()["parts"]["cache"] == "timed_out"
        assert client.get("/health").status_code == 200
        part.may_answer.set()
        for call in calls:
            call.join()


def test_api_is_not_ready_from_the_first_signal_on(opened):
    """While it still ends what is under way, and before its lifespan ends."""
    api = rest.create(opened.app)
    running = server._Server(uvicorn.Config(api), lambda: None, api.state.readiness.stop)
    with TestClient(api, base_url="http://localhost") as client:
        assert client.get("/ready").status_code == 200
        running.handle_exit(signal.SIGTERM, None)
        assert running.should_exit
        answer = client.get("/ready")
    assert (answer.status_code, answer.json()["parts"]) == (503, {"process": "stopping"})
