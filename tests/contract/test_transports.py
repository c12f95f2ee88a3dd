"""A service answers alike however it is called: in process, over REST, from the command line."""

import json

import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from salient import errors
from salient.interfaces import cli, rest, wire
from salient.model import Value
from salient.services import SERVICES, Context, service
from salient.services.status import ShowStatus, show


class Code(Value):
    code: str


def raise_it(request: Code, context: Context) -> Code:
    """Raise what is asked for."""
    raise errors.tree()[request.code]("as asked", size_bytes=3)


@pytest.fixture(scope="module")
def fail():
    """A service that exists only while these tests run."""
    yield service("probe.fail")(raise_it)
    SERVICES.pop("probe.fail")


@pytest.fixture
def local(workspace):
    return lambda s, request: workspace.app.call(s, request)


@pytest.fixture
def over_rest(workspace):
    with TestClient(rest.create(workspace.app), base_url="http://localhost") as client:

        def call(entry, request):
            path = "/v1/" + entry.name.replace(".", "/")
            reply = client.post(path, json=request.model_dump(mode="json"))
            if reply.status_code >= 400:
                raise wire.load(reply.json())
            return entry.reply.model_validate_json(reply.content)

        yield call


@pytest.fixture
def over_cli(workspace):
    folder = workspace.app.settings.data_dir

    def call(entry, request):
        arguments = ["call", entry.name, request.model_dump_json(), "--data-dir", str(folder)]
        done = CliRunner().invoke(cli.cli, arguments)
        if isinstance(done.exception, errors.Error):
            raise done.exception
        assert done.exit_code == 0, done.output
        return entry.reply.model_validate_json(done.stdout)

    return call


@pytest.fixture(params=["local", "over_rest", "over_cli"])
def call(request):
    return request.getfixturevalue(request.param)


def test_same_reply(call, workspace):
    assert call(show, ShowStatus()) == workspace.status()


@pytest.mark.parametrize("kind", list(errors.tree().values())[1:], ids=lambda e: e.code)
def test_same_error(fail, call, kind):
    with pytest.raises(kind) as info:
        call(fail, Code(code=kind.code))
    assert (type(info.value), info.value.context) == (kind, {"size_bytes": 3})


def test_every_error_has_a_status():
    assert set(rest.STATUS) == set(errors.tree().values()) - {errors.Error}


def test_errors_cross_a_process_whole():
    for kind in errors.tree().values():
        back = wire.load(json.loads(json.dumps(wire.dump(kind("m", a=1)))))
        assert (type(back), back.message, back.context) == (kind, "m", {"a": 1})


def test_requests_name_their_limits():
    """Every list and text that a stranger may send has a bound."""
    unbounded = []
    for entry in SERVICES.values():
        schema = entry.request.model_json_schema()
        for name, field in schema.get("properties", {}).items():
            if name == "offset":
                assert "maximum" in field, (entry.name, name)
            if name == "limit":
                assert "maximum" in field, (entry.name, name)
                unbounded += [] if field["maximum"] <= 1000 else [(entry.name, name)]
    assert unbounded == []
