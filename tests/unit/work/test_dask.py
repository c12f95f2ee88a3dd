"""What a Dask cluster is asked for."""

from concurrent.futures import Future

import pytest

from salient.errors import Unavailable
from salient.work import MAIN, WorkConfig
from salient.work import dask as module
from salient.work.notes import Message


class Client:
    """Takes what is submitted, and does nothing with it."""

    def __init__(self, address, **options):
        self.asked, self.futures, self.gone = [], [], False

    def submit(self, function, message, **options):
        if self.gone:
            raise RuntimeError("the client is closed")
        self.asked.append((function, message, options))
        future = Future()
        future.status = "pending"
        self.futures.append(future)
        return future

    def nthreads(self):
        if self.gone:
            raise OSError("gone")
        return {"tcp://a": 1, "tcp://b": 2}

    def close(self, timeout):
        self.gone = True


@pytest.fixture
def transport(monkeypatch):
    monkeypatch.setattr(module, "Client", Client)
    return module.DaskTransport("tcp://somewhere:1", WorkConfig())


def test_the_urgent_go_first_and_nothing_is_done_again_by_dask(transport):
    transport.send(Message("r", "1"), MAIN, urgent=False)
    transport.send(Message("r", "2"), MAIN, urgent=True)
    (_, bulk, first), (function, urgent, second) = transport._client.asked
    assert function is module.handle
    assert (bulk["batch"], urgent["batch"]) == ("1", "2")
    assert first["priority"] < second["priority"]
    for options in (first, second):
        assert (options["pure"], options["retries"]) == (False, 0)


def test_what_no_thread_is_at_waits(transport):
    assert transport.slots(MAIN) == 3
    for n in range(5):
        transport.send(Message("r", str(n)), MAIN, urgent=False)
    assert transport.depth(MAIN) == 2
    for future in transport._client.futures:
        future.status = "finished"
        future.set_result(None)
    assert transport.depth(MAIN) == 0


def test_a_scheduler_that_went_away_is_said(transport):
    transport.close()
    with pytest.raises(Unavailable, match="does not answer"):
        transport.send(Message("r", "1"), MAIN, urgent=False)
    with pytest.raises(Unavailable, match="does not answer"):
        transport.slots(MAIN)
