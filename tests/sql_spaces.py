"""Empty databases for tests: a file, or a schema or database of its own on a shared server."""

import uuid
from contextlib import contextmanager

from salient.storage.sql import Query, Tables

DIALECTS = ("sqlite", "postgresql", "mysql")


@contextmanager
def space(dialect, folder, servers):
    """The URL of an empty database, which is removed at the end.

    Args:
        servers: the fixture.
    """
    if dialect == "sqlite":
        yield f"sqlite:{folder}/a folder/salient.db"
        return
    server, name = servers(dialect), f"t{uuid.uuid4().hex[:16]}"
    if dialect == "postgresql":
        url = server.at("postgres", schema=name)
        drop = f"DROP SCHEMA IF EXISTS {name} CASCADE"
        admin = server.at("postgres")
    else:
        url, admin = server.at(name), server.at("mysql")
        drop = f"DROP DATABASE {name}"
        with Tables.open(admin) as tables, tables.transaction() as tx:
            tx.run(Query(f"CREATE DATABASE {name}"))
    yield url
    with Tables.open(admin) as tables, tables.transaction() as tx:
        tx.run(Query(drop))
