"""Places of their own for document stores, on servers that the session's tests share."""

import uuid
from contextlib import ExitStack

from tests import kv_stores


class Places:
    """Fills in URLs: {tmp} is a folder, {postgresql} (and so on) an empty store on a server.

    {standalone} is a MongoDB that is no replica set.

    Each mention is another place; all are removed at the end.
    """

    def __init__(self, servers, folder):
        self._servers, self._folder = servers, folder
        self._clear = ExitStack()

    def __call__(self, url):
        for kind in ("postgresql", "mongodb", "standalone", "redis", "tmp"):
            while f"{{{kind}}}" in url:
                name = f"docs_{uuid.uuid4().hex[:12]}"
                url = url.replace(f"{{{kind}}}", getattr(self, f"_{kind}")(name), 1)
        return url

    def close(self):
        self._clear.close()

    def _tmp(self, name):
        return str(self._folder / name)

    def _redis(self, name):
        return self._servers("redis").at("0", prefix=name)

    def _postgresql(self, name):
        import psycopg

        server = self._servers("postgresql")

        def drop():
            with psycopg.connect(server.at("postgres"), autocommit=True) as db:
                db.execute(f"drop schema if exists {name} cascade")

        self._clear.callback(drop)
        return server.at("postgres", schema=name)

    def _standalone(self, name):
        return self._mongodb(name, extra="--standalone")

    def _mongodb(self, name, **options):
        import pymongo

        server = self._servers("mongodb", **options)

        def drop():
            with pymongo.MongoClient(server.url, directConnection=True) as client:
                client.drop_database(name)

        self._clear.callback(drop)
        return server.at(name)


def pass_time(records, seconds):
    """Have `seconds` pass for all that is stored."""
    for one in _timed(records._driver):
        kind = type(one).__module__.rpartition(".")[2]
        if hasattr(one, "_clock"):
            one._clock = kv_stores.later(one._clock, seconds)
        elif kind == "redis":
            kv_stores.age(one, seconds)
        else:
            # A server's clock cannot be moved, so what it keeps is made older.
            {"postgresql": _age_postgresql, "mongodb": _age_mongodb}[kind](one, seconds)


def _timed(driver):
    """All that has an idea of time in a store: its drivers, and the caches above them."""
    if not driver.inner:
        yield driver
    for one in driver.inner:
        yield from _timed(one)
    if hasattr(driver, "_cache"):
        yield driver._cache
        for layer in driver._cache.layers:
            yield layer.driver


def _age_postgresql(driver, seconds):
    with driver._pool.connection() as db:
        db.execute(
            driver._sql("update {s}.record set t = t - make_interval(secs => %s)"), (seconds,)
        )


def _age_mongodb(driver, seconds):
    older = {"$subtract": ["$t", round(seconds * 1000)]}
    driver._records.update_many({"t": {"$type": "date"}}, [{"$set": {"t": older}}])
