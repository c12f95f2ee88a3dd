"""Settings: where they come from, what wins, stores within stores, and changes while running."""

import threading

import pytest

from salient.errors import InvalidInput, Misconfigured
from salient.settings import Settings, SharedSettings, Watch, load, origins, toml_file, valid


@pytest.fixture
def file(tmp_path, monkeypatch):
    """A settings file, empty as yet."""
    path = tmp_path / "salient.toml"
    monkeypatch.setenv("SALIENT_SETTINGS_FILE", str(path))
    return path


@pytest.fixture
def shared(tmp_path, monkeypatch):
    """A shared store of settings."""
    monkeypatch.setenv("SALIENT_SETTINGS_STORE", f"sqlite:{tmp_path}/settings.db")
    opened = SharedSettings.open()
    yield opened
    opened.close()


def test_store_may_be_a_table_of_stores(file, tmp_path):
    file.write_text("""
        [storage]
        blobs = "encrypted:[s3://bucket/a?secret_key=hush]?key_file=/etc/key"
        [storage.cache]
        use = "layered"
        ttl_s = 60
        over = ["memory:", {use = "instrumented", over = "redis://u:pw@cache:6379/0", slow_ms = 100}]
    """)
    settings = load(data_dir=tmp_path)
    assert settings.storage.cache == (
        "layered:[memory:][instrumented:[redis://u:pw@cache:6379/0]?slow_ms=100]?ttl_s=60"
    )
    stores = settings.stores()
    assert stores["cache"].lines() == [
        "layered ttl_s=60",
        "  memory:",
        "  instrumented slow_ms=100",
        "    redis://u:…@cache:6379/0",
    ]
    assert stores["tables"].lines() == [f"sqlite:{tmp_path}/salient.db"]
    shown = {name: value for name, value, _ in origins(settings)}
    assert "pw" not in shown["storage.cache"]
    assert "hush" not in shown["storage.blobs"]


@pytest.mark.parametrize(
    "store",
    ['{use = "layered"}', '{over = ["memory:"]}', '{use = "a", over = ["memory:"], deep = {x = 1}}',
     '"layered:[memory:"', "3"],
)  # fmt: skip
def test_store_that_makes_no_sense_is_said_at_once(file, store):
    file.write_text(f"[storage]\ncache = {store}\n")
    with pytest.raises(Misconfigured, match=r"storage\.cache"):
        load()


def test_shared_values_win_over_defaults_and_lose_to_all_else(file, shared, monkeypatch):
    shared.put("pipeline.batch", 7)
    shared.put("pipeline.processes", 3)
    shared.put("ask.passages", 11)
    file.write_text("[pipeline]\nprocesses = 2\n")
    monkeypatch.setenv("SALIENT_ASK__PASSAGES", "12")
    settings = load(workspace="mine")
    assert (settings.pipeline.batch, settings.pipeline.processes, settings.ask.passages) == (
        7,
        2,
        12,
    )
    came = {name: origin for name, _, origin in origins(settings)}
    assert came["pipeline.batch"] == "shared store"
    assert came["pipeline.processes"] == str(file)
    assert came["ask.passages"] == "environment"
    assert came["workspace"] == "argument"
    assert came["ask.min_confidence"] == "default"
    assert shared.remove("pipeline.batch")
    assert not shared.remove("pipeline.batch")
    assert load().pipeline.batch == Settings().pipeline.batch != 7


def test_wrong_shared_value_is_said(shared):
    shared.put("pipeline.batch", "many")
    with pytest.raises(Misconfigured, match=r"pipeline\.batch"):
        load()


@pytest.mark.parametrize(
    ("name", "given", "value"),
    [
        ("pipeline.batch", "64", 64), ("log.level", "INFO", "INFO"), ("web.token", "123", "123"),
        ("log.to", '["stderr:"]', ["stderr:"]), ("storage.cache", "memory:", "memory:"),
        ("ask.min_confidence", "null", None), ("workspace", "mine", "mine"),
    ],
)  # fmt: skip
def test_text_becomes_the_value_that_a_setting_takes(name, given, value):
    assert valid(name, given) == value


@pytest.mark.parametrize("name", ["pipeline", "pipeline.batches", "pipelines.batch", "", "a.b.c", "workspace.x"])  # fmt: skip
def test_no_such_setting(name):
    with pytest.raises(InvalidInput):
        valid(name, "1")


@pytest.mark.parametrize(("name", "given"), [("pipeline.batch", "0"), ("log.level", "LOUD"), ("workspace", "A B")])  # fmt: skip
def test_value_that_a_setting_cannot_have(name, given):
    with pytest.raises(Misconfigured):
        valid(name, given)


def test_changed_file_is_noticed(file):
    changed = threading.Event()
    watch = Watch(toml_file(), changed.set)
    try:
        assert not changed.wait(0.2)
        file.write_text("[ask]\npassages = 5\n")
        assert changed.wait(20)
    finally:
        watch.close()


def test_change_by_another_is_noticed(file, shared):
    changed = threading.Event()
    watch = Watch(toml_file(), changed.set)
    other = SharedSettings.open()
    try:
        assert not changed.wait(0.2)
        other.put("ask.passages", 5)
        assert changed.wait(20)
    finally:
        other.close()
        watch.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("salient-settings")]


def test_change_is_noticed_through_a_server(file, servers, monkeypatch, tmp_path):
    url = servers("redis").at("0", prefix=tmp_path.name)
    monkeypatch.setenv("SALIENT_SETTINGS_STORE", url)
    other = SharedSettings.open()
    other.put("ask.passages", 4)
    changed = threading.Event()
    watch = Watch(toml_file(), changed.set)
    try:
        assert load().ask.passages == 4
        other.put("ask.passages", 5)
        assert changed.wait(20)
        assert load().ask.passages == 5
    finally:
        other.close()
        watch.close()


def test_running_application_takes_over_what_it_can(tmp_path):
    from salient.app import App

    with App(load(data_dir=tmp_path)) as app:
        fresh = load(
            data_dir=tmp_path,
            ask={"passages": 5},
            limits={"max_pages": 9},
            web={"port": 9},
        )
        assert app.apply(fresh) == ("web.port",)
        secret = load(data_dir=tmp_path, web={"token": "one"})
        app.apply(secret)
        assert app.apply(load(data_dir=tmp_path, web={"token": "two"})) == ("web.token",)
        app.apply(fresh)
        assert app.context.ask_passages == 5
        assert app.context.coordinator._worker.limits.max_pages == 9
        assert ("ask.passages", "5", "argument") in app.context.settings


def test_search_url_without_a_place_for_the_index_is_a_misconfiguration(tmp_path):
    from salient.app import App

    with pytest.raises(Misconfigured, match=r"\{index\}"):
        App(load(data_dir=tmp_path, storage={"search": "embedded:{data}/index"}))


@pytest.mark.parametrize("name", ["a folder", "what?", "50% [off]", "a&b=c#d", "{data}"])
def test_a_workspace_lies_in_a_folder_of_any_name(tmp_path, name):
    import salient

    (tmp_path / "a.txt").write_text("Anna Berg leads Halden Maritime AS.")
    with salient.open(tmp_path / name, pipeline={"processes": 1}) as workspace:
        workspace.add(tmp_path / "a.txt")
        assert workspace.search("Halden").total == 1
    assert {p.name for p in (tmp_path / name).iterdir()} >= {
        "blobs",
        "cache.db",
        "index",
        "salient.db",
    }
    assert [p.name for p in tmp_path.iterdir() if p.is_dir()] == [name]
