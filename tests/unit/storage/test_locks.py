"""Locks when their holder stalls at the worst moment."""

import pytest

from salient.errors import TimedOut
from salient.storage.kv import KeyValue
from salient.storage.kv.memory import Driver


class Stalling(Driver):
    """Loses `stall_s` seconds, and lets somebody else in, between the claim and the token."""

    stall_s = 0.0
    meanwhile = staticmethod(lambda: None)

    def increment(self, key, by, *, ttl_s):
        stall_s, self.stall_s = self.stall_s, 0.0
        if stall_s:
            before = self._clock
            self._clock = lambda: before() + stall_s
            self.meanwhile()
        return super().increment(key, by, ttl_s=ttl_s)


def test_claim_that_ran_out_before_its_token_is_no_hold():
    driver = Stalling()
    kv = KeyValue(driver)
    others = []

    def somebody_else():
        lock = kv.lock("l", ttl_s=100)
        others.append((lock, lock.__enter__().token))

    driver.stall_s, driver.meanwhile = 5.0, somebody_else
    with pytest.raises(TimedOut), kv.lock("l", ttl_s=1):
        pass
    ((lock, token),) = others
    lock.__exit__(None, None, None)
    with kv.lock("l", ttl_s=1) as lease:
        assert lease.token > token
