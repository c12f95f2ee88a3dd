"""`salient migrate`: every store is made and tried, or it says which is not there."""

import socket

import pytest
from typer.testing import CliRunner

from salient.errors import Misconfigured, Unavailable
from salient.interfaces import migrating
from salient.interfaces.cli import cli
from salient.settings import load
from tests.sql_spaces import space

QUICK = {"nlp": {"engine": "rules", "encoder": "hashing"}}


def settings(folder, **stores):
    return load(data_dir=folder, storage=stores, **QUICK)


def test_every_store_is_made_and_tried(tmp_path):
    made = migrating.made(settings(tmp_path))
    assert {c.name for c in made} == set(migrating.STORES)
    assert all(c.ok for c in made)
    assert {"salient.db", "index", "records.db"} <= {p.name for p in tmp_path.iterdir()}


def test_it_may_run_many_times_also_on_a_server(tmp_path, servers):
    with space("postgresql", tmp_path, servers) as url:
        for _ in range(2):
            assert all(c.ok for c in migrating.made(settings(tmp_path, tables=url, records=url)))


def test_a_server_that_is_away_is_an_error_to_try_again(tmp_path):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        away = f"redis://127.0.0.1:{nobody.getsockname()[1]}/0?timeout_s=1"
        with pytest.raises(Unavailable, match="cache"):
            migrating.made(settings(tmp_path, cache=away))


def test_a_database_of_a_newer_release_is_not_touched(tmp_path):
    import sqlite3

    migrating.made(settings(tmp_path))
    with sqlite3.connect(tmp_path / "salient.db") as database:
        database.execute("update alembic_version set version_num = 'of the future'")
    database.close()
    with pytest.raises(Misconfigured, match="newer release"):
        migrating.made(settings(tmp_path))


def test_the_command_waits_for_stores_and_then_says_what_they_answered(tmp_path, monkeypatch):
    monkeypatch.setattr(migrating, "_AGAIN_S", 0.0)
    answers = [Unavailable("the cache does not answer"), None]
    really = migrating.made

    def sometimes(chosen):
        if (fault := answers.pop(0)) is not None:
            raise fault
        return really(chosen)

    monkeypatch.setattr(migrating, "made", sometimes)
    monkeypatch.setenv("SALIENT_NLP__ENGINE", "rules")
    monkeypatch.setenv("SALIENT_NLP__ENCODER", "hashing")
    done = CliRunner().invoke(cli, ["migrate", "--wait", "60", "--data-dir", str(tmp_path)])
    assert done.exit_code == 0
    assert "not yet: the cache does not answer" in done.output
    assert "tables: 0 documents" in done.output


def test_without_waiting_it_gives_up_at_once(tmp_path, monkeypatch):
    def never(_):
        raise Unavailable("the cache does not answer")

    monkeypatch.setattr(migrating, "made", never)
    done = CliRunner().invoke(cli, ["migrate", "--data-dir", str(tmp_path)])
    assert isinstance(done.exception, Unavailable)
