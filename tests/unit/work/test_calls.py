"""A service done by workers gives what a direct call gives, and its errors."""

import uuid

import pytest

import salient
from salient.errors import InvalidInput, Misconfigured, NotFound, Unavailable
from salient.interfaces import calls
from tests.cluster.roles import cast, until, variables
from tests.unit.work import deadly_calls

TEXTS = {
    "a.txt": "Acme Corporation supplies pumps to Borealis Energy. The pumps are made in Oslo.",
    "b.txt": "Borealis Energy opened a plant in Oslo in 2021. It needs forty pumps a year.",
    "c.txt": "Nothing of the sort is said here: it is about cheese, and how it is made.",
}
QUESTIONS = ["pumps", "Oslo", "cheese", "żółć", "who supplies pumps"]
QUICK = {"engine": "rules", "encoder": "hashing"}


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """A workspace with documents in it."""
    folder = tmp_path_factory.mktemp("calls")
    for name, text in TEXTS.items():
        (folder / name).write_text(text)
    with salient.open(folder / "data", nlp=QUICK, work={"on": "inline:"}) as workspace:
        workspace.add(*(folder / name for name in TEXTS))
        yield workspace


@pytest.fixture(scope="module")
def queue(tmp_path_factory, servers, filled):
    """The URL of a queue whose worker has the same settings; the workspace's cache must be one for both."""
    folder = tmp_path_factory.mktemp("queue")
    own = f"t{uuid.uuid4().hex[:10]}"
    storage = {"cache": servers("redis").at("0", prefix=own)}
    work = {"on": f"celery:{servers('redis').at('3')}", "beat_s": 3}
    env = variables({"storage": storage, "work": work, "nlp": QUICK})
    env["SALIENT_DATA_DIR"] = str(filled.app.settings.data_dir)
    with cast(folder, env, servers("redis").take_along) as roles:
        worker = roles.start("worker", "-c", 1)
        with salient.open(filled.app.settings.data_dir, nlp=QUICK, work=work, storage=storage) as workspace:  # fmt: skip
            until(lambda: list(workspace.app.context.cache.scan("worker/")), "it is there", worker)
            yield workspace


@pytest.fixture(params=["inline:", "processes:2", "celery"])
def elsewhere(request, filled):
    """`workspace.parallel` on one kind of workers."""
    if request.param == "celery":
        workspace = request.getfixturevalue("queue")
        return lambda name: workspace.parallel(name)
    return lambda name: filled.parallel(name, on=request.param)


def said(reply):
    """A reply, but for how long it took."""
    return reply.model_dump(exclude={"seconds"})


def test_replies_are_those_of_direct_calls(elsewhere, filled):
    wanted = [said(filled.search(text)) for text in QUESTIONS]
    assert any(reply["hits"] for reply in wanted)
    with elsewhere("search.passages") as searched:
        found = searched.map({"text": text} for text in QUESTIONS)
        assert [said(reply) for reply in found] == wanted
        assert said(searched.delay(text=QUESTIONS[0]).result()) == wanted[0]
        assert said(searched(text=QUESTIONS[1])) == wanted[1]


def test_errors_are_those_of_direct_calls(elsewhere, filled):
    with pytest.raises(NotFound) as direct:
        filled.show("no-such-document")
    with elsewhere("documents.show") as shown:
        with pytest.raises(NotFound) as info:
            shown(id="no-such-document")
        assert (info.value.message, info.value.context) == (direct.value.message, direct.value.context)  # fmt: skip
        with pytest.raises(InvalidInput, match="the request cannot be used"):
            shown(idd="x")


def test_a_service_takes_fields_by_name(filled):
    with filled.parallel("search.passages", on="inline:") as searched:
        for args in (("pumps",), ({"text": "a"}, {"text": "b"})):
            with pytest.raises(InvalidInput, match="by name, or as one dict"):
                searched(*args)


def test_no_such_service_and_no_such_pool(filled):
    with pytest.raises(NotFound, match=r"no service is called 'search\.passage'"):
        filled.parallel("search.passage", on="inline:")
    with pytest.raises(Misconfigured, match="begins with one of"):
        filled.parallel("search.passages", on="threads:2")


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A workspace of which some calls kill their workers."""
    monkeypatch.setattr(calls, "services", deadly_calls.deadly)
    monkeypatch.setattr(calls, "services_once", deadly_calls.deadly_once)
    with salient.open(tmp_path / "data", nlp=QUICK, work={"dead_letters": 1}) as workspace:
        yield workspace


def tries(workspace):
    file = workspace.app.settings.data_dir / deadly_calls.FILE
    return file.stat().st_size if file.exists() else 0


def letters(workspace):
    return [(letter.code, letter.attempts) for letter in workspace.call("dead.list").letters]


def test_a_call_that_kills_its_workers_becomes_a_dead_letter(own):
    with own.parallel("search.passages", on="processes:1") as searched:
        with pytest.raises(Unavailable, match="killed its worker 3 times"):
            searched(text="deadly")
        assert letters(own) == [("unavailable", 3)]
        assert searched(text="harmless").hits == ()
    assert tries(own) == 4
    (letter,) = own.call("dead.list").letters
    assert letter.item == {"text": "deadly"}


def test_a_call_that_may_be_done_once_is_tried_once(own):
    with own.parallel("entities.undo", on="processes:1") as undone, pytest.raises(Unavailable, match="1 time"):  # fmt: skip
        undone(id="deadly")
    assert tries(own) == 1
    assert letters(own) == [("unavailable", 1)]


def test_letters_are_bounded_and_hold_no_settings(own):
    requests = [{"text": f"deadly {n}"} for n in range(2)]
    with own.parallel("search.passages", on="processes:1") as searched:
        found = list(searched.map(requests, errors=True))
    assert [type(one) for one in found] == [Unavailable] * 2
    assert len(letters(own)) == 1
    assert str(own.app.settings.data_dir) not in str(own.call("dead.list").model_dump())
