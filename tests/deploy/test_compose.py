"""The compose file: what it says, with variables filled in, held against the code that it runs."""

import os
import re
from pathlib import Path

import pytest
import yaml
from typer.main import get_command

from salient.interfaces.cli import cli
from salient.interfaces.stack import containers
from salient.interfaces.stack.plans import PROFILES
from salient.settings import Settings
from salient.work import MAIN, OCR

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
ROLES = {"api": "serve", "worker": "worker", "beat": "beat", "migrate": "migrate"}
EXAMPLE = dict(
    line.split("=", 1)
    for line in (DEPLOY / ".env.example").read_text("utf-8").splitlines()
    if "=" in line and not line.startswith("#")
)
PASSWORDS = sorted(name for name, value in EXAMPLE.items() if not value)
GIVEN = EXAMPLE | {name: f"pw{name.lower().replace('_', '')}" for name in PASSWORDS}
_VARIABLE = re.compile(r"(?<!\$)\$\{(\w+)(?:(:?[-?])([^}]*))?\}")


def filled(text, variables):
    """As compose fills in what is written in a value."""

    def value(match):
        name, operator, other = match.groups()
        found = variables.get(name)
        if operator and operator[-1] == "?" and not found:
            raise LookupError(f"{name}: {other}")
        if operator and operator[-1] == "-" and not found:
            return other
        return found or ""

    return _VARIABLE.sub(value, text).replace("$$", "$")


def walk(node, variables):
    if isinstance(node, dict):
        return {k: walk(v, variables) for k, v in node.items()}
    if isinstance(node, list):
        return [walk(v, variables) for v in node]
    return filled(node, variables) if isinstance(node, str) else node


@pytest.fixture(scope="module")
def compose():
    return walk(yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8")), GIVEN)


@pytest.fixture(params=PROFILES)
def services(request, compose):
    """Those that a profile starts."""
    return {n: s for n, s in compose["services"].items() if request.param in s["profiles"]}


def ours(services):
    return {n: s for n, s in services.items() if "build" in s}


def words_of(service):
    command = service["command"]
    return command[1:] if command[0] == "reload" else command


def test_the_passwords_have_to_be_given():
    text = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
    for name in PASSWORDS:
        with pytest.raises(LookupError, match=name):
            walk(text, GIVEN | {name: ""})


def test_every_variable_of_the_file_is_in_the_example_or_has_a_default():
    text = (DEPLOY / "compose.yaml").read_text("utf-8")
    for name, operator, _ in _VARIABLE.findall(text):
        assert name in EXAMPLE or operator == ":-", name
    assert set(EXAMPLE) - {"COMPOSE_PROFILES", "COMPOSE_PROJECT_NAME"} <= {
        m[0] for m in _VARIABLE.findall(text)
    }


def test_profiles_are_those_of_the_command_line(compose):
    found = {profile for s in compose["services"].values() for profile in s["profiles"]}
    assert found == set(PROFILES)
    assert EXAMPLE["COMPOSE_PROFILES"] in PROFILES


def test_what_a_service_waits_for_is_started_with_it(services):
    for name, service in services.items():
        for other, how in service.get("depends_on", {}).items():
            assert other in services, (name, other)
            if how["condition"] == "service_healthy":
                assert "test" in services[other]["healthcheck"], other
            if how["condition"] == "service_completed_successfully":
                assert services[other]["restart"] == "no", other


def test_roles_start_after_migrations_and_these_after_the_servers(services):
    roles = ours(services)
    migrations = {n for n, s in roles.items() if words_of(s)[0] == "migrate"}
    assert len(migrations) == 1
    for name, service in roles.items():
        waits = set(service["depends_on"])
        if name in migrations:
            assert waits >= {n for n, s in services.items() if "build" not in s and n != "bucket"}
        else:
            assert migrations <= waits, name


def test_every_role_is_there_once_and_its_options_are_real(services):
    verbs = get_command(cli).commands
    seen = []
    for name, service in ours(services).items():
        first, *rest = words_of(service)
        options = {o for p in verbs[ROLES[first]].params for o in p.opts}
        assert {word for word in rest if word.startswith("-")} <= options, name
        seen.append(first)
    assert set(seen) == set(ROLES)
    assert [seen.count(r) for r in ("api", "beat", "migrate")] == [1, 1, 1]


def test_every_queue_has_workers(services):
    taken = set()
    for service in ours(services).values():
        words = words_of(service)
        if words[0] == "worker":
            queues = words[words.index("--queues") + 1] if "--queues" in words else f"{MAIN},{OCR}"
            taken |= set(queues.split(","))
    assert taken == {MAIN, OCR}


def test_settings_are_real_and_take_the_values(services, monkeypatch):
    for service in ours(services).values():
        for name in [n for n in os.environ if n.startswith("SALIENT_")]:
            monkeypatch.delenv(name)
        for name, value in service["environment"].items():
            if value != "" or name != "SALIENT_WEB__TOKEN":
                monkeypatch.setenv(name, value)
        assert Settings().work.on.startswith("celery:redis://")


def test_places_in_urls_are_services(services):
    for service in ours(services).values():
        text = " ".join(service["environment"].values())
        named = set(re.findall(r"(?:@|//)([a-z]+):\d+", text))
        assert named
        assert named <= set(services)


def test_passwords_are_in_no_command_line(compose):
    for name, service in compose["services"].items():
        started = f"{service.get('command')} {service.get('entrypoint')}"
        assert not any(GIVEN[p] in started for p in PASSWORDS), name


def test_nothing_listens_beyond_this_machine(compose):
    for name, service in compose["services"].items():
        for port in service.get("ports", []):
            assert "build" in service, f"{name} is a server, and nobody but the roles needs it"
            assert port.startswith("127.0.0.1:")


def test_everything_has_limits_and_ends_in_time(compose):
    for name, service in compose["services"].items():
        assert {"cpus", "memory"} <= set(service["deploy"]["resources"]["limits"]), name
        assert service["security_opt"] == ["no-new-privileges:true"]
    for name, service in ours(compose["services"]).items():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"], name
        if words_of(service)[0] == "worker":
            settings = Settings.model_construct()
            longest_s = settings.work.batch_s + settings.limits.time_s
            assert int(service["stop_grace_period"].removesuffix("s")) > longest_s


def test_the_source_is_mounted_where_it_is_looked_for(compose):
    from salient.interfaces.stack import reloading

    for name, service in compose["services"].items():
        mounted = [v for v in service.get("volumes", []) if v.startswith("..")]
        assert bool(mounted) == name.endswith("-dev")
        for one in mounted:
            source, target, how = one.split(":")
            assert (DEPLOY / source / "__init__.py").is_file()
            assert (Path(target), how) == (reloading.SOURCE, "ro")


def test_volumes_are_declared_and_used(compose):
    used = {
        v.partition(":")[0]
        for s in compose["services"].values()
        for v in s.get("volumes", [])
        if not v.startswith("..")
    }
    assert used == set(compose["volumes"])


def test_images_of_others_are_pinned(compose):
    for name, service in compose["services"].items():
        if "build" not in service:
            assert re.search(r":[\w.-]*\d", service["image"]), name
        else:
            context = (DEPLOY / service["build"]["context"]).resolve()
            assert (context / service["build"]["dockerfile"]).is_file()


def test_the_command_line_finds_the_file():
    assert containers.COMPOSE == DEPLOY / "compose.yaml"
