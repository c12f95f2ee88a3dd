"""Moving to other stores loses and doubles nothing, and may be stopped and run again."""

import hashlib

import pytest
from typer.testing import CliRunner

import salient
from salient.errors import Conflict, Misconfigured, Unsupported
from salient.interfaces.cli import cli
from salient.services import exports
from salient.storage import moving
from salient.storage.blob import Blobs
from salient.storage.docs import Records
from salient.storage.kv import KeyValue
from salient.storage.sql import Tables
from tests.sql_spaces import DIALECTS, space


def quiet(_):
    pass


def test_keys_are_copied_with_their_times_and_none_is_overwritten(tmp_path):
    with KeyValue.open("memory:") as old, KeyValue.open(f"sqlite:{tmp_path}/kv.db") as new:
        for i in range(1200):
            old.put(f"k{i}", str(i).encode(), ttl_s=100 if i % 2 else None)
        new.put("k7", b"newer")
        assert moving.copy_keys(old, new, quiet) == 1199
        assert moving.copy_keys(old, new, quiet) == 0
        assert len(list(new.scan())) == 1200
        assert new.get("k7") == b"newer"
        value, left_s = new.get_expiring("k9")
        assert value == b"9"
        assert 0 < left_s <= 100
        assert new.get_expiring("k8") == (b"8", None)


def test_blobs_are_copied_once(tmp_path):
    with Blobs.open("memory:") as old, Blobs.open(f"file:{tmp_path}/blobs") as new:
        for i in range(20):
            old.put(f"a/{i}", bytes([i]) * i * 1000)
        new.put("a/3", bytes([3]) * 3000)
        new.put("a/4", b"cut short")
        assert moving.copy_blobs(old, new, quiet) == 19
        assert moving.copy_blobs(old, new, quiet) == 0
        assert all(new.get(f"a/{i}") == old.get(f"a/{i}") for i in range(20))


def test_records_are_copied_once(tmp_path):
    with Records.open("memory:") as old, Records.open(f"sqlite:{tmp_path}/r.db") as new:
        old.put_many("jobs", [(f"{i:04}", {"n": i}) for i in range(1300)])
        old.put("odd \N{SNOWMAN}", "a", {"x": None})
        new.put("jobs", "0007", {"n": "newer"})
        assert moving.copy_records(old, new, quiet) == 1300
        assert moving.copy_records(old, new, quiet) == 0
        assert new.count("jobs") == 1300
        assert new.get("jobs", "0007") == {"n": "newer"}
        assert new.get("odd \N{SNOWMAN}", "a") == {"x": None}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_workspace_moves_to_another_database_with_its_decisions(dialect, tmp_path, servers):
    def entity_of(workspace):
        return workspace.call("entities.list").entities[0].id

    def told(workspace):
        out = []
        for what in ("mentions", "entities", "facts"):
            request = exports.request_of(what, "jsonl", {})
            chunks = exports.stream(request, workspace.app.context)
            out.append(hashlib.sha256(b"".join(chunks)).hexdigest())
        return (
            out,
            workspace.status().states,
            workspace.call("entities.show", id=entity_of(workspace)).model_dump(),
        )

    (tmp_path / "a.txt").write_text("Anna Berg leads Halden Maritime AS. Halden bought Brix Ltd.")
    with salient.open(tmp_path / "data", pipeline={"processes": 1}) as workspace:
        workspace.add(tmp_path / "a.txt")
        entity = entity_of(workspace)
        workspace.call("entities.rename", id=entity, name="Another Name")
        before = told(workspace)
    with space(dialect, tmp_path / "new", servers) as url:
        old = f"sqlite:{tmp_path}/data/salient.db"
        with Tables.open(old) as source, Tables.open(url) as target:
            assert moving.copy_tables(source, target, quiet) > 5
            with pytest.raises(Conflict):
                moving.copy_tables(source, target, quiet)
        stores = {"tables": url}
        with salient.open(tmp_path / "data", pipeline={"processes": 1}, storage=stores) as moved:
            assert told(moved) == before


def test_tables_of_another_release_are_not_copied(tmp_path):
    with Tables.open("sqlite::memory:") as old, Tables.open("sqlite::memory:") as new:
        old.migrate("0001")
        with pytest.raises(Misconfigured):
            moving.copy_tables(old, new, quiet)


@pytest.mark.parametrize("front", ["cache", "blobs", "records"])
def test_shards_are_balanced_when_one_joins(front, tmp_path):
    scheme = "file" if front == "blobs" else "sqlite"
    places = [f"[{scheme}:{tmp_path}/{i}]" for i in range(3)]
    old, new = f"sharded:{''.join(places[:2])}", f"sharded:{''.join(places)}"

    def each(url):
        if front == "cache":
            with KeyValue.open(url) as kv:
                return sorted((k, kv.get(k)) for k in kv.scan())
        if front == "blobs":
            with Blobs.open(url) as blobs:
                return [(k, blobs.get(k)) for k in blobs.list()]
        with Records.open(url) as records:
            return [(c, list(records.query(c))) for c in records.collections()]

    if front == "cache":
        with KeyValue.open(old) as kv:
            for i in range(200):
                kv.put(f"k{i}", str(i).encode())
    elif front == "blobs":
        with Blobs.open(old) as blobs:
            for i in range(200):
                blobs.put(f"k{i}", str(i).encode())
    else:
        with Records.open(old) as records:
            for i in range(60):
                records.put(f"c{i}", "r", {"n": i})
    before = each(old)
    planned = moving.balance(front, old, new, move=False)
    assert each(old) == before
    assert {target for _, target in planned.moves} == {"2"}
    done = CliRunner().invoke(cli, ["stores", "rebalance", front, old, new])
    assert done.exit_code == 0, done.output
    assert f"{planned.total} moved" in done.output
    assert each(new) == before
    assert moving.balance(front, old, new, move=True).total == 0


def test_tables_have_no_shards():
    with pytest.raises(Unsupported):
        moving.balance(
            "tables", "sharded:[sqlite:/a]", "sharded:[sqlite:/a][sqlite:/b]", move=False
        )


def test_copying_from_the_command_line(tmp_path, monkeypatch):
    monkeypatch.setenv("SALIENT_DATA_DIR", str(tmp_path))
    with Blobs.open(f"file:{tmp_path}/blobs") as blobs:
        blobs.put("a/b", b"content")
    arguments = ["stores", "copy", "blobs", "file:{data}/blobs", f"file:{tmp_path}/other"]
    done = CliRunner().invoke(cli, arguments)
    assert done.exit_code == 0, done.output
    assert "1 copied" in done.output
    with Blobs.open(f"file:{tmp_path}/other") as blobs:
        assert blobs.get("a/b") == b"content"


def test_what_sphinx_needs_is_printed(monkeypatch):
    place = "sphinx://127.0.0.1:9306/salient_{workspace}_{index}"
    monkeypatch.setenv("SALIENT_STORAGE__SEARCH", place)
    done = CliRunner().invoke(cli, ["stores", "definition", "--folder", "/data/sphinx"])
    assert done.exit_code == 0, done.output
    assert "index salient_default_documents_entries" in done.output
    assert "path = /data/sphinx/salient_default_passages_entries" in done.output


def test_embedded_index_needs_no_definition():
    done = CliRunner().invoke(cli, ["stores", "definition"])
    assert isinstance(done.exception, Unsupported)


def test_an_empty_index_is_filled_from_what_was_made_before(tmp_path):
    (tmp_path / "a.txt").write_text("Anna Berg leads Halden Maritime AS. Halden bought Brix Ltd.")
    with salient.open(tmp_path / "data", pipeline={"processes": 1}) as workspace:
        workspace.add(tmp_path / "a.txt")
        before = workspace.search("Halden").total
        made = sorted(workspace.app.context.blobs.list())
    stores = {"search": f"embedded:{tmp_path}/elsewhere/{{index}}"}
    with salient.open(tmp_path / "data", pipeline={"processes": 1}, storage=stores) as moved:
        assert moved.search("Halden").total == 0
        assert moved.call("documents.reindex").worked == 1
        assert moved.search("Halden").total == before == 1
        assert moved.ask("Who leads Halden Maritime AS?").found
        # Nothing was read or annotated anew.
        assert sorted(moved.app.context.blobs.list()) == made
