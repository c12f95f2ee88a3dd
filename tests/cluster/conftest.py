"""Which stores have a server of their own, and how their URLs are made of it."""

from dataclasses import dataclass

import pytest

from salient.storage import blob, docs, kv, search, sql

FRONTS = {"kv": kv, "blob": blob, "sql": sql, "docs": docs, "search": search}


@dataclass(frozen=True)
class Case:
    front: str
    server: str
    path: str = ""
    options: tuple[tuple[str, str], ...] = ()

    @property
    def scheme(self):
        return {"elasticsearch": "opensearch"}.get(self.server, self.server)

    def url(self, server, **options):
        return server.at(self.path, **dict(self.options), **options)


CASES = [
    Case("kv", "redis", "0", (("prefix", "faults"),)),
    Case("blob", "s3", "faults"),
    Case("sql", "postgresql", "postgres"),
    Case("sql", "mysql", "app"),
    Case("docs", "mongodb", "faults"),
    Case("docs", "postgresql", "postgres"),
    Case("search", "postgresql", "postgres"),
    Case("search", "opensearch", "faults"),
    Case("search", "elasticsearch", "faults"),
    Case("search", "sphinx", "faults"),
]


def pytest_generate_tests(metafunc):
    if "case" in metafunc.fixturenames:
        metafunc.parametrize("case", [c for c in CASES if c.scheme in FRONTS[c.front].SCHEMES],
                             ids=lambda c: f"{c.front}-{c.server}")  # fmt: skip


@pytest.fixture
def durable(servers, case):
    """A server of the test's own, with data that survive a kill."""
    with servers(case.server, durable=True) as server:
        yield server
