"""Spans reach a collector with the right parents, across processes too, and hold up nobody."""

import json
import logging
import multiprocessing
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from fastapi.testclient import TestClient

import salient
from salient import log
from salient.errors import Misconfigured, NotFound
from salient.interfaces import rest
from salient.log import background, traces
from salient.work import Done, Item, Place, Recipe, handler, open_pool
from tests.collector import collecting, family, fields

TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{CALLER}-01"


@pytest.fixture
def collector():
    with collecting() as server:
        yield server


@pytest.fixture
def traced(collector):
    """Send spans to the collector; what ends it."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    log.configure("json", "WARNING", ["stderr:"], collector.url + "?service=archive")
    yield collector
    log.configure("json", "WARNING", ["stderr:"])
    logging.basicConfig(handlers=handlers, level=level, force=True)


# --- without a collector


def test_without_a_collector_there_are_no_spans_and_nothing_to_send():
    with log.span("work", n=1) as span:
        span.set(state="done")
        assert log.correlation() == {}
    assert log.span("a") is log.span("b")


def test_a_callers_trace_goes_along_to_workers_even_so():
    with log.bound({"traceparent": TRACEPARENT}):
        ids = log.correlation()
    assert ids == {"trace_id": TRACE, "traceparent": TRACEPARENT}
    assert log.correlation() == {}


@pytest.mark.parametrize(
    "given",
    [
        "", "00", TRACEPARENT.upper(), TRACEPARENT[:-1], TRACEPARENT + "-more", f"ff-{TRACE}-{CALLER}-01",
        f"00-{'0' * 32}-{CALLER}-01", f"00-{TRACE}-{'0' * 16}-01", f"00-{TRACE}-{CALLER}-01\n", "é" * 55,
    ],
)  # fmt: skip
def test_malformed_parents_are_passed_over(given):
    assert traces.trace_of(given) is None
    with log.bound({"traceparent": given, "request_id": "r"}):
        assert log.correlation() == {"request_id": "r"}


def test_a_later_version_of_the_standard_may_say_more():
    assert traces.trace_of(f"01-{TRACE}-{CALLER}-00-more") == (TRACE, CALLER, False)


@pytest.mark.parametrize(
    "url",
    ["otlp:", "otlp", "jaeger://h:1", "otlp://h:4318?ratio=x", "otlp://h:4318?ratio=2", "otlp://h:4318?colour=red"],
)  # fmt: skip
def test_wrong_destination_is_a_misconfiguration_and_changes_nothing(url):
    before = log.configured()
    with pytest.raises(Misconfigured):
        log.configure("json", "WARNING", ["stderr:"], url)
    assert log.configured() == before
    assert log.span("a") is traces.NO_SPAN


# --- parents


def test_spans_within_spans(traced):
    with log.span("outer", n=1, name="é", nothing=None) as outer:
        outer.set(state="done")
        with log.span("inner"):
            pass
        with log.span("inner"):
            pass
    with log.span("other"):
        pass
    log.flush()
    trace, ident, parent = family(traced.one("outer"))
    assert parent == ""
    assert [family(s)[::2] for s in traced.named("inner")] == [(trace, ident)] * 2
    assert family(traced.one("other"))[0] != trace
    assert traced.services == {"archive"}
    told = fields(traced.one("outer"))
    assert told == {"n": 1, "name": "é", "state": "done", "process.pid": os.getpid()}


def test_what_fails_is_marked_with_its_code_and_not_its_message(traced):
    with pytest.raises(NotFound), log.span("ours"):
        raise NotFound("of a secret")
    with pytest.raises(KeyError), log.span("bug"):
        raise KeyError("secret")
    log.flush()
    assert (traced.one("ours").status.code, traced.one("ours").status.message) == (2, "not_found")
    assert traced.one("bug").status.message == "KeyError"
    assert all(b"secret" not in s.SerializeToString() for s in traced.spans.values())


def lines(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_records_say_which_span_they_were_made_in(traced, tmp_path):
    log.configure("json", "WARNING", [f"file:{tmp_path}/log"], log.configured().traces)
    with log.span("outer"):
        log.get("salient.test").warning("said.within")
        said = log.correlation()["traceparent"]
    log.get("salient.test").warning("said.after")
    within, after = lines(tmp_path / "log")
    assert (within["trace_id"], within["span_id"], True) == traces.trace_of(said)
    assert not {"trace_id", "span_id"} & set(after)


def test_threads_do_not_mix_their_parents(traced):
    def work(n):
        with log.span("outer", n=n), log.span("inner", n=n):
            pass

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(200)))
    log.flush()
    outer = {fields(s)["n"]: s.span_id for s in traced.named("outer")}
    assert {fields(s)["n"]: s.parent_span_id for s in traced.named("inner")} == outer
    assert len(outer) == 200


def test_ratio_keeps_none_of_ours_and_follows_a_callers_wish(collector, traced):
    log.configure("json", "WARNING", ["stderr:"], collector.url + "?ratio=0")
    with log.span("root"), log.span("child"):
        pass
    with log.bound({"traceparent": TRACEPARENT}), log.span("wanted"):
        pass
    with log.bound({"traceparent": TRACEPARENT[:-1] + "0"}), log.span("unwanted"):
        pass
    log.flush()
    assert [s.name for s in collector.spans.values()] == ["wanted"]


# --- processes


def _child(configured, ids):
    configured.again()
    with log.bound(ids), log.span("child"):
        pass
    log.flush()


def _forked(_, ids):
    # Of a forked child the parent's settings hold already; it has no thread that sends, yet.
    with log.bound(ids), log.span("child"):
        pass
    log.flush()


@pytest.mark.parametrize(("way", "run"), [("spawn", _child), ("fork", _forked)])
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_childs_spans_hang_under_its_parents(traced, way, run):
    with log.span(
        "before"
    ):  # so that the parent has a thread and a connection that a fork would break
        pass
    log.flush()
    with log.span("parent"):
        child = multiprocessing.get_context(way).Process(
            target=run, args=(log.configured(), log.correlation())
        )
        child.start()
        child.join()
    assert child.exitcode == 0
    log.flush()
    trace, ident, _ = family(traced.one("parent"))
    assert family(traced.one("child"))[::2] == (trace, ident)
    assert fields(traced.one("child"))["process.pid"] == child.pid
    assert len(traced.named("before")) == 1


class _Doubling:
    def __call__(self, value):
        with log.span("item", value=value):
            return 2 * value

    def close(self):
        pass


@handler(value=int, result=int)
def doubling(_setup, _place):
    return _Doubling()


def test_spans_of_a_pool_hang_under_who_called_it(traced, tmp_path):
    place = Place(f"file:{tmp_path}/blobs", f"sqlite:{tmp_path}/cache.db")
    items = [Item(n) for n in range(20)]
    with log.span("caller"), open_pool("inline:", place) as pool:
        assert [e.result for e in pool.run(Recipe.of(doubling), items) if isinstance(e, Done)]
    log.flush()
    trace, ident, _ = family(traced.one("caller"))
    assert {family(s)[0] for s in traced.named("item")} == {trace}
    assert {family(s)[2] for s in traced.named("item")} == {ident}


@pytest.mark.slow
def test_from_a_request_to_the_stages_in_other_processes(traced, tmp_path):
    (tmp_path / "in").mkdir()
    for n in range(3):
        (tmp_path / "in" / f"{n}.txt").write_text(f"Anna Berg leads Halden Maritime AS. {n}")
    settings = {"pipeline": {"processes": 2}, "nlp": {"engine": "rules", "encoder": "hashing"}}
    with (
        salient.open(tmp_path / "data", **settings) as workspace,
        TestClient(rest.create(workspace.app), base_url="http://localhost") as client,
    ):
        answer = client.post(
            "/v1/jobs/documents/add",
            json={"paths": [str(tmp_path / "in")]},
            headers={"traceparent": TRACEPARENT},
        )
        documents = traced.wait_for("document", 3)
        stages = traced.wait_for("stage", 12)
        traced.wait_for("service")
    log.flush()
    spans = {s.span_id.hex(): s for s in traced.spans.values() if s.trace_id.hex() == TRACE}
    request = next(s for s in spans.values() if s.name == "request")
    told = traces.trace_of(answer.headers["traceresponse"])
    assert told == (TRACE, request.span_id.hex(), True)
    assert request.parent_span_id.hex() == CALLER
    assert fields(request) | {"process.pid": 0} == {
        "method": "POST", "route": "/v1/jobs/documents/add", "status": 202, "process.pid": 0,
    }  # fmt: skip

    def way(span):
        names = [span.name]
        while (above := spans.get(span.parent_span_id.hex())) is not None:
            span = above
            names.append(span.name)
        return names

    expected = ["batch", "service", "job", "request"]
    assert [way(s) for s in documents] == [["document", *expected]] * 3
    assert [way(s) for s in stages] == [["stage", "document", *expected]] * 12
    assert {fields(s)["process.pid"] for s in documents}.isdisjoint({os.getpid()})
    assert {fields(s)["stage"] for s in stages} == {"convert", "annotate", "read", "passages"}
    assert {fields(s)["state"] for s in documents} == {"done"}


# --- a collector that does not answer


def test_a_collector_that_hangs_holds_up_nobody_and_loses_are_counted(
    traced, monkeypatch, tmp_path
):
    monkeypatch.setattr(background, "_WAITING", 50)
    traced.holding = threading.Event()
    log.configure("json", "WARNING", [f"file:{tmp_path}/log"], traced.url + "?service=small")
    tracer = log._tracer
    for n in range(2000):
        with log.span("made", n=n):
            pass
    assert tracer.dropped > 0  # and here we are, while the collector still says nothing
    traced.holding.set()
    tracer.flush()
    with log.span("last"):
        pass
    tracer.flush()
    assert len(traced.named("made")) + tracer.dropped == 2000
    assert len(traced.named("made")) >= 50
    assert len(traced.named("last")) == 1
    said = [r["n_spans"] for r in lines(tmp_path / "log") if r["event"] == "trace.dropped"]
    assert sum(said) == tracer.dropped


def test_ending_does_not_wait_for_a_collector_that_is_away(monkeypatch):
    monkeypatch.setattr(background, "_LAST_WORDS_S", 0.2)
    tracer = traces.open_one("otlp://127.0.0.1:9")
    with tracer.span("made", {}):
        pass
    tracer.close()
    assert log.correlation() == {}


def test_log_records_in_a_collector_carry_their_span():
    from salient.log.otlp import Otlp

    payload = {"event": "e", "level": "info", "logger": "l", "timestamp": 1.0, "n": 2}
    sender = Otlp("//127.0.0.1:9", tls=False, service="s")
    try:
        within = sender._record({**payload, "trace_id": TRACE, "span_id": CALLER}).log_record
        caller = sender._record({**payload, "trace_id": TRACE}).log_record
        strange = sender._record({**payload, "trace_id": "mine"}).log_record
    finally:
        sender.close()
    assert (within.trace_id, within.span_id) == (int(TRACE, 16), int(CALLER, 16))
    assert within.attributes == {"n": 2}
    assert (caller.trace_id, caller.span_id) == (int(TRACE, 16), 0)
    assert strange.attributes == {"n": 2, "trace_id": "mine"}
