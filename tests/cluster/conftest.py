"""Which stores have a server of their own, and how their URLs are made of it."""

from dataclasses import dataclass

import pytest

from salient.storage import blob, docs, kv, search, sql
from salient.storage.search import sphinx
from tests.cluster.loads import SCHEMA
from tests.cluster.proxy import Proxy
from tests.servers.session import KINDS

FRONTS = {"kv": kv, "blob": blob, "sql": sql, "docs": docs, "search": search}


@dataclass(frozen=True)
class Case:
    front: str
    server: str
    path: str = ""
    options: tuple[tuple[str, str], ...] = ()
    through: tuple[tuple[str, str], ...] = ()
    """What keeps a client from finding its own way around a proxy."""
    when_hung: tuple[tuple[str, str], ...] = ()
    """What else bounds a call beside `timeout_s`."""

    @property
    def scheme(self):
        return {"elasticsearch": "opensearch"}.get(self.server, self.server)

    def url(self, server, *, through=None, **options):
        if through:
            options |= dict(self.through)
        url = server.at(self.path, **dict(self.options), **options)
        return url.replace(str(server.port), str(through.port)) if through else url


# A writer that a fault took away must not keep others out for longer than recovery may take.
LEASE = (("lease_s", "3"),)

CASES = [
    Case("kv", "redis", "0", (("prefix", "faults"),)),
    Case("blob", "s3", "faults", when_hung=(("retry_s", "1"),)),
    Case("sql", "postgresql", "postgres"),
    Case("sql", "mysql", "app"),
    Case("docs", "mongodb", "faults", (("directConnection", "true"),)),
    Case("docs", "postgresql", "postgres"),
    Case("search", "postgresql", "postgres"),
    Case("search", "opensearch", "faults", LEASE),
    Case("search", "elasticsearch", "faults", LEASE),
    Case("search", "sphinx", "faults", LEASE),
]


def pytest_generate_tests(metafunc):
    if "case" in metafunc.fixturenames:
        cases = [c for c in CASES if c.scheme in FRONTS[c.front].SCHEMES]
        if metafunc.definition.get_closest_marker("keeps"):
            # Stand-ins that forget what they acknowledged: a driver cannot make up for that.
            cases = [c for c in cases if KINDS[c.server].keeps]
        metafunc.parametrize("case", cases, ids=lambda c: f"{c.front}-{c.server}")


@pytest.fixture
def durable(servers, case):
    """A server of the test's own, with data that survive a kill."""
    extra = ""
    if case.server == "sphinx":  # it makes no indexes by itself
        extra = sphinx.definition(SCHEMA, case.path, "{data}")
    with servers(case.server, durable=True, extra=extra) as server:
        yield server


@pytest.fixture
def proxy(durable):
    """A network between the test and that server."""
    made = Proxy(durable.port)
    yield made
    made.close()
