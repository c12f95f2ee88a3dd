"""Servers that are killed, hang, or are cut off while many write: what callers see, and what is kept."""

import contextlib
import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from salient.errors import TimedOut, Unavailable
from tests.cluster.loads import LOADS, Journal, Reader, Writer, open_store

ROOT = Path(__file__).resolve().parents[2]
RECOVERY_S = 10

pytestmark = pytest.mark.slow


class Crowd:
    """Three writers and three readers in this process, and a writer in another."""

    def __init__(self, front, url):
        self.front, self.url, self.stores = front, url, []
        kind = LOADS[front]
        self.exclusive = kind.exclusive
        self.enough = 8 if kind.exclusive else 30  # writes before something happens
        first = self.open()
        kind(first, "").prepare()
        names = ["a", "b", "c"]
        self.writers = [Writer(kind(self.open() if kind.exclusive else first, n)) for n in names]
        self.readers = [Reader(kind(first, w.load.name), w.journal) for w in self.writers]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.cluster.loads", front, url, "other"],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.other = Journal("other")
        self._listener = threading.Thread(target=self._listen)
        for thread in (*self.writers, *self.readers, self._listener):
            thread.start()

    def open(self):
        self.stores.append(open_store(self.front, self.url))
        return self.stores[-1]

    def _listen(self):
        for line in self.process.stdout:
            self.other = Journal(**json.loads(line))

    @property
    def journals(self):
        return [*(w.journal for w in self.writers), self.other]

    def until(self, holds, within_s, what):
        end = time.monotonic() + within_s
        while not all(holds(j) for j in self.journals):
            assert time.monotonic() < end, f"{what}: {[self._short(j) for j in self.journals]}"
            assert self.process.poll() is None
            time.sleep(0.02)

    def recovers(self):
        """Writes are acknowledged again, each writer's where they do not wait for each other."""
        back = time.monotonic()
        if self.exclusive:
            while not any(j.last_done > back for j in self.journals):
                assert time.monotonic() < back + RECOVERY_S, "did not recover"
                time.sleep(0.02)
        within_s = 60 if self.exclusive else RECOVERY_S
        self.until(lambda j: j.last_done > back, within_s, "did not recover")

    @staticmethod
    def _short(journal):
        return {**vars(journal), "done": len(journal.done), "wrong": journal.wrong[:2]}

    def finish(self):
        """Stop; what was acknowledged to whom."""
        for one in (*self.writers, *self.readers):
            one.stopping.set()
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        for one in (*self.writers, *self.readers):
            one.join(60)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        finally:
            self._listener.join(10)
            self.process.stdout.close()
            for store in self.stores:
                store.close()

    def verify(self):
        """After `finish`: nothing acknowledged was lost, nothing is torn, and nobody saw a wrong error."""
        wrong = {j.name: j.wrong[:3] for j in self.journals if j.wrong}
        wrong |= {f"reader of {r.load.name}": r.wrong[:3] for r in self.readers if r.wrong}
        assert wrong == {}
        with open_store(self.front, self.url) as store:
            for journal in self.journals:
                load = LOADS[self.front](store, journal.name)
                assert load.missing(journal.done, journal.tried) == []
                load.check(journal.done, journal.tried)


@contextlib.contextmanager
def crowd(front, url):
    opened = Crowd(front, url)
    try:
        yield opened
    finally:
        opened.finish()


@pytest.mark.keeps
def test_a_server_killed_in_mid_write_loses_nothing_that_it_acknowledged(case, durable):
    with crowd(case.front, case.url(durable)) as busy:
        for _ in range(2):
            before = {j.name: len(j.done) for j in busy.journals}
            wanted = {name: n + busy.enough for name, n in before.items()}
            busy.until(lambda j, w=wanted: len(j.done) >= w[j.name], 60, "never got busy")
            failed = {j.name: j.failed for j in busy.journals}
            durable.kill()
            busy.until(lambda j, f=failed: j.failed > f[j.name], 30, "nobody told the writers")
            durable.start()
            busy.recovers()
    busy.verify()


def test_a_network_that_cuts_connections_loses_nothing(case, durable, proxy):
    with crowd(case.front, case.url(durable, through=proxy)) as busy:
        busy.until(lambda j: len(j.done) >= 5, 60, "never got busy")
        cut = 0
        for _ in range(20):
            time.sleep(0.1)
            cut += proxy.cut()
        assert cut
        proxy.refuse()
        time.sleep(0.5)
        proxy.allow()
        busy.recovers()
    busy.verify()


def test_a_server_that_hangs_times_out_and_is_used_again(case, durable):
    with open_store(case.front, case.url(durable)) as store:
        LOADS[case.front](store, "w").prepare()
    timeout_s = 1.0
    url = case.url(durable, timeout_s=timeout_s, **dict(case.when_hung))
    with open_store(case.front, url) as store:
        load = LOADS[case.front](store, "w")
        again(lambda: load.write(0) or load.there(0))
        for call in (lambda: load.write(1), lambda: load.there(0)):
            durable.pause()
            try:
                began = time.monotonic()
                with pytest.raises(TimedOut):
                    call()
                took_s = time.monotonic() - began
            finally:
                durable.resume()
            # Taking a connection and asking on it may each take the time-out.
            assert took_s < 2 * timeout_s + 2
            again(lambda: load.there(0))
        again(lambda: load.write(2) or load.there(2))


def test_a_server_that_is_away_is_named_and_used_again_when_it_is_back(case, durable, proxy):
    through = None if durable.keeps else proxy
    port = durable.port if durable.keeps else proxy.port
    with open_store(case.front, case.url(durable, through=through)) as store:
        load = LOADS[case.front](store, "w")
        load.prepare()
        load.write(0)
        (durable.stop if durable.keeps else proxy.refuse)()
        for call in (lambda: load.write(1), lambda: load.there(0)):
            with pytest.raises(Unavailable) as info:
                call()
            assert f"127.0.0.1:{port}" in str(info.value)
            for secret in ("pw@", "testsecret1"):
                assert secret not in str(info.value) + repr(info.value.context)
        (durable.start if durable.keeps else proxy.allow)()
        again(lambda: load.there(0))
        again(lambda: load.write(2) or load.there(2))


def test_a_server_that_was_never_there_is_unavailable(case, durable):
    durable.stop()
    url = case.url(durable, timeout_s=2)
    # At opening or at the first call.
    with pytest.raises(Unavailable) as info, open_store(case.front, url) as store:
        LOADS[case.front](store, "w").there(0)
    assert f"127.0.0.1:{durable.port}" in str(info.value)


def again(call):
    """It works within the time that recovery may take; until then callers see `Unavailable` only."""
    end = time.monotonic() + RECOVERY_S
    while True:
        try:
            assert call()
        except Unavailable:
            assert time.monotonic() < end, "did not recover"
            time.sleep(0.1)
        else:
            return
