"""The first process of a container: signals go on, the dead are reaped, exit codes come back."""

import http.server
import os
import runpy
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
from typer.main import get_command

from salient.interfaces.cli import cli

ROLE = Path(__file__).resolve().parents[2] / "deploy" / "role.py"
PATIENCE_S = 60


@pytest.fixture(scope="module")
def role():
    return runpy.run_path(str(ROLE))


def run(code):
    """Start it around a program of Python's."""
    start = f"import runpy, sys; m = runpy.run_path({str(ROLE)!r}); sys.exit(m['run']([sys.executable, '-c', {code!r}]))"
    return subprocess.Popen([sys.executable, "-c", start], stdout=subprocess.PIPE, text=True)


def test_roles_are_verbs_of_the_command_line(role):
    assert set(role["ROLES"].values()) <= set(get_command(cli).commands)


@pytest.mark.parametrize(
    ("words", "run_as"),
    [
        ([], ["-m", "salient", "serve"]),
        (["api", "--port", "1"], ["-m", "salient", "serve", "--port", "1"]),
        (["worker", "-c", "2"], ["-m", "salient", "worker", "-c", "2"]),
        (["migrate"], ["-m", "salient", "migrate"]),
        (["status", "--json"], ["-m", "salient", "status", "--json"]),
        (["reload", "api"], ["-m", "salient.interfaces.stack.reloading", "serve"]),
        (["reload", "worker", "-c", "2"], ["-m", "salient.interfaces.stack.reloading", "worker", "-c", "2"]),
    ],
)  # fmt: skip
def test_words_become_commands(role, words, run_as):
    assert role["command"](words) == [sys.executable, *run_as]


@pytest.mark.parametrize("code", [0, 1, 75])
def test_its_exit_code_is_that_of_the_role(code):
    with run(f"import sys; sys.exit({code})") as process:
        assert process.wait(PATIENCE_S) == code


def test_a_role_that_a_signal_ended_is_told_as_shells_do():
    with run("import os, signal; os.kill(os.getpid(), signal.SIGKILL)") as process:
        assert process.wait(PATIENCE_S) == 128 + signal.SIGKILL


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signals_reach_the_role(number):
    code = (
        "import signal, sys\n"
        f"signal.signal({int(number)}, lambda *_: sys.exit(7))\n"
        "print('ready', flush=True)\n"
        "while True: signal.pause()\n"
    )
    with run(code) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        assert process.wait(PATIENCE_S) == 7


def test_the_role_has_signals_as_every_process_has_them():
    code = (
        "import signal; print(sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])), "
        "signal.getsignal(signal.SIGTERM) is signal.SIG_DFL)"
    )
    with run(code) as process:
        assert process.stdout.read() == "[] True\n"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives orphans to somebody else")
def test_orphans_are_reaped():
    # As the first process of a container has it: its descendants' orphans become its children.
    adopt = "import ctypes; ctypes.CDLL(None).prctl(36, 1)"
    orphan = "import os, time\nif os.fork() == 0:\n    if os.fork() == 0:\n        time.sleep(0.2)\n        print('gone', flush=True)\n    os._exit(0)\nos.wait()\nprint('left', flush=True)\nimport signal; signal.pause()"
    start = f"{adopt}; import runpy, sys; m = runpy.run_path({str(ROLE)!r}); sys.exit(m['run']([sys.executable, '-c', {orphan!r}]))"
    with subprocess.Popen([sys.executable, "-c", start], stdout=subprocess.PIPE, text=True) as one:
        assert sorted([one.stdout.readline(), one.stdout.readline()]) == ["gone\n", "left\n"]
        give_up_at = time.monotonic() + PATIENCE_S
        while len(psutil.Process(one.pid).children()) > 1:
            assert time.monotonic() < give_up_at, "an orphan became a zombie"
            time.sleep(0.02)
        one.terminate()
        one.wait(PATIENCE_S)


class _Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/health" else 503)
        self.end_headers()
        self.wfile.write(b"tables do not answer")

    def log_message(self, *_):
        pass


def test_a_check_ends_with_what_the_url_answers():
    environment = {**os.environ, "http_proxy": "http://127.0.0.1:1"}
    with http.server.HTTPServer(("127.0.0.1", 0), _Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        base = f"http://127.0.0.1:{server.server_address[1]}"
        ends = [
            subprocess.run(
                [sys.executable, "-I", str(ROLE), "check", base + path],
                capture_output=True, text=True, env=environment, check=False,
            )
            for path in ("/health", "/ready")
        ]  # fmt: skip
        server.shutdown()
        thread.join()
    assert [e.returncode for e in ends] == [0, 1]
    assert "503: tables do not answer" in ends[1].stderr


def test_a_check_of_nobody_fails(role, capsys):
    assert role["check"]("http://127.0.0.1:9/health") == 1
    assert "does not answer" in capsys.readouterr().err
