"""Meters: what a store's calls took and how they ended, as metrics and a log of slow ones."""

import pytest
from prometheus_client import REGISTRY

from salient.errors import Conflict
from salient.storage.meters import Meter


def value(metric, meter, operation, **more):
    labels = {"store": meter.store, "name": meter.name, "operation": operation, **more}
    return REGISTRY.get_sample_value(metric, labels)


@pytest.fixture
def meter(request):
    return Meter("kv", request.node.name, slow_ms=1000)


def test_calls_are_counted_and_timed(meter):
    assert [meter.measure("get", lambda n=n: n) for n in range(3)] == [0, 1, 2]
    assert value("salient_store_seconds_count", meter, "get") == 3
    assert value("salient_store_seconds_sum", meter, "get") > 0
    assert value("salient_store_seconds_count", meter, "put") is None


def test_errors_are_counted_by_code_and_passed_on(meter):
    def fail(error):
        raise error

    for error in (Conflict("first"), Conflict("second"), KeyError("x")):
        with pytest.raises(type(error)):
            meter.measure("put", lambda error=error: fail(error))
    assert value("salient_store_errors_total", meter, "put", code="conflict") == 2
    assert value("salient_store_errors_total", meter, "put", code="KeyError") == 1
    assert value("salient_store_seconds_count", meter, "put") == 3


def test_sizes_go_in_and_out(meter):
    meter.wrote("put", 100)
    meter.wrote("put", 50)
    meter.read("get", 7)
    assert value("salient_store_bytes_sum", meter, "put", way="in") == 150
    assert value("salient_store_bytes_sum", meter, "get", way="out") == 7


def test_a_name_has_no_password():
    assert Meter("kv", "redis://me:hidden@h/0", slow_ms=1).name == "redis://me:…@h/0"


def test_slow_calls_are_logged_with_what_they_were(meter, monkeypatch):
    lines = []
    monkeypatch.setattr("salient.storage.meters._log", type("Log", (), {
        "warning": staticmethod(lambda event, **more: lines.append((event, more))),
    }))  # fmt: skip
    meter.note("get", 0.999)
    meter.note("scan", 1.5)
    assert lines == [
        ("store.slow_call", {"store": "kv", "backend": meter.name, "operation": "scan", "seconds": 1.5})
    ]  # fmt: skip
