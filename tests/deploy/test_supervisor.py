"""The supervisor of a local stack, with small programs in the place of roles and servers."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager

import psutil
import pytest

from salient.errors import Conflict
from salient.interfaces.stack.plans import Part, Plan
from salient.interfaces.stack.state import Folder, StackState
from salient.interfaces.stack.supervisor import Running

PATIENCE_S = 60

# Serves on the port; ends on SIGTERM after `slow` seconds; writes what it does into a file.
SERVER = """
import http.server, os, signal, sys, threading, time
name, port, journal, slow = sys.argv[1], int(sys.argv[2]), sys.argv[3], float(sys.argv[4])
def note(what):
    with open(journal, "a") as file:
        file.write(f"{what} {name}\\n")
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Answer)
def end(*_):
    note("asked")
    time.sleep(slow)
    note("ended")
    os._exit(0)
signal.signal(signal.SIGTERM, end)
signal.signal(signal.SIGINT, end)
note("began")
print(f"{name} serves", flush=True)
server.serve_forever()
"""


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def until(holds, what):
    give_up_at = time.monotonic() + PATIENCE_S
    while not (found := holds()):
        assert time.monotonic() < give_up_at, what
        time.sleep(0.02)
    return found


class Stack:
    """A folder, and parts that are made up."""

    def __init__(self, path):
        self.folder = Folder(path)
        self.folder.make()
        self.journal = path / "journal"
        self.parts = []
        self.process = None

    def part(self, name, *, slow=0.0, code=SERVER, **more):
        port = free_port()
        command = (sys.executable, "-c", code, name, str(port), str(self.journal), str(slow))
        given = {"port": port, "check": "http:/", "is_role": True, "stop_s": 20.0, **more}
        self.parts.append(Part(name=name, command=command, **given))

    def once(self, name, code):
        command = (sys.executable, "-c", code, str(self.journal))
        self.parts.append(Part(name=name, command=command, once=True, is_role=True))

    def run(self, watch=""):
        plan = Plan(
            profile="small", data=str(self.folder.path), address="http://127.0.0.1:1",
            environment={}, parts=tuple(self.parts), watch=watch,
        )  # fmt: skip
        self.folder.write("plan", plan)
        lock = self.folder.lock()
        with (self.folder.logs / "supervisor.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "salient.interfaces.stack.supervisor", str(self.folder.path)],
                stdout=log, stderr=log, pass_fds=[lock], start_new_session=True,
            )  # fmt: skip
        os.close(lock)

    def state(self) -> StackState:
        return self.folder.state() or StackState(profile="none")

    def one(self, name):
        return next((p for p in self.state().parts if p.name == name), None)

    def running(self):
        self.run()
        until(lambda: self.state().phase == "running", self.log())

    def events(self):
        return self.journal.read_text().splitlines() if self.journal.exists() else []

    def log(self):
        return (self.folder.logs / "supervisor.log").read_text()

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        return self.process.wait(PATIENCE_S)

    def close(self):
        if self.process is not None and self.process.poll() is None:
            self.stop(signal.SIGQUIT)
        for left in self.folder.left_over():
            left.kill()


@pytest.fixture
def stack(tmp_path):
    made = Stack(tmp_path / "stack")
    yield made
    made.close()


@contextmanager
def family_of(stack):
    """Every process of the stack, to be gone when the block ends."""
    found = [psutil.Process(p.pid) for p in stack.state().parts if p.pid]
    found += [child for one in found for child in one.children(recursive=True)]
    assert found
    yield found
    _, alive = psutil.wait_procs(found, timeout=PATIENCE_S)
    assert alive == []


def test_parts_start_in_order_and_end_in_the_other(stack):
    stack.part("database", is_role=False)
    stack.once("migrate", "import sys; open(sys.argv[1], 'a').write('done migrate\\n')")
    stack.part("api")
    stack.part("worker", slow=1.0)
    stack.running()
    assert stack.events()[:2] == ["began database", "done migrate"]
    with family_of(stack):
        assert stack.stop() == 0
    events = stack.events()
    # Warm: the worker had its second, with everything else still there.
    assert events.index("ended worker") < events.index("asked api")
    assert events.index("ended api") < events.index("asked database")
    assert stack.state().phase == "stopped"
    assert not stack.folder.is_running()


def test_told_to_be_quick_it_does_not_wait_for_workers(stack):
    stack.part("worker", slow=PATIENCE_S * 2)
    stack.running()
    with family_of(stack):
        assert stack.stop(signal.SIGQUIT) == 0
    assert "ended worker" not in stack.events()


def test_what_dies_is_started_again_and_counted(stack):
    stack.part("api")
    stack.running()
    for n in (1, 2):
        first = stack.one("api").pid
        os.kill(first, signal.SIGKILL)
        until(
            lambda n=n: stack.one("api").restarts == n and stack.one("api").phase == "running",
            "it was not started again",
        )
        assert stack.one("api").pid != first


def test_pauses_between_starts_grow_to_a_bound(stack):
    stack.part("broken", code="import sys; sys.exit(3)")
    running = Running(stack.parts[0], stack.folder)
    said = []
    for _ in range(8):
        running.start()
        until(lambda: running.ended() == 3, "it does not end")
        said.append(running.state.said)
    running.close()
    assert said[:3] == [f"ended with 3; again in {pause} s" for pause in ("0.5", "1.0", "2.0")]
    assert said[-1] == "ended with 3; again in 30.0 s"


def test_a_stack_whose_part_cannot_start_says_why_and_leaves_nothing(stack):
    stack.part("database", is_role=False)
    stack.part("api", code="import sys; sys.exit('no such database')")
    stack.run()
    assert stack.process.wait(PATIENCE_S) == 1
    state = stack.state()
    assert state.phase == "failed"
    assert state.fault.startswith("api ended with 1")
    assert "no such database" in state.fault
    assert stack.folder.left_over() == []
    assert "ended database" in stack.events()


def test_migrations_that_fail_keep_roles_from_starting(stack):
    stack.once("migrate", "import sys; sys.exit('made by a newer release')")
    stack.part("api")
    stack.run()
    assert stack.process.wait(PATIENCE_S) == 1
    assert "made by a newer release" in stack.state().fault
    assert stack.events() == []


def test_a_part_that_never_serves_is_given_up(stack):
    mute = "import signal; signal.pause()"
    stack.part("api", code=mute, start_s=1.0)
    stack.run()
    assert stack.process.wait(PATIENCE_S) == 1
    assert "does not serve" in stack.state().fault


def test_nothing_outlives_a_supervisor_that_was_killed(stack):
    stack.part("database", is_role=False)
    stack.part("worker")
    stack.running()
    with family_of(stack):
        os.kill(stack.process.pid, signal.SIGKILL)
        stack.process.wait()
    assert not stack.folder.is_running()
    assert stack.folder.left_over() == []


def test_what_ignores_the_end_of_its_supervisor_is_known_to_the_next_command(stack):
    deaf = (
        "import http.server, signal, sys\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "H = http.server.BaseHTTPRequestHandler\n"
        "H.do_GET = lambda self: (self.send_response(200), self.end_headers())\n"
        "http.server.HTTPServer(('127.0.0.1', int(sys.argv[2])), H).serve_forever()\n"
    )
    stack.part("worker", code=deaf)
    stack.running()
    pid = stack.one("worker").pid
    os.kill(stack.process.pid, signal.SIGKILL)
    stack.process.wait()
    assert [p.pid for p in stack.folder.left_over()] == [pid]
    assert not stack.folder.is_running()


def test_children_of_a_part_that_was_killed_do_not_hold_its_port(stack):
    leaves_a_child = f"""
import subprocess, sys
if len(sys.argv) == 5:
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
exec({SERVER!r})
"""
    stack.part("api", code=leaves_a_child)
    stack.running()
    first = psutil.Process(stack.one("api").pid)
    (child,) = until(first.children, "it has no child")
    first.kill()
    until(lambda: stack.one("api").restarts == 1 and stack.one("api").phase == "running", "")
    psutil.wait_procs([child], timeout=PATIENCE_S)
    assert not child.is_running()


def test_a_second_stack_of_the_same_folder_is_refused(stack):
    stack.part("api")
    stack.running()
    with pytest.raises(Conflict, match="runs already"):
        stack.folder.lock()
    assert stack.stop() == 0
    os.close(stack.folder.lock())


def test_what_parts_say_is_in_their_logs(stack):
    stack.part("api")
    stack.running()
    until(lambda: "api serves" in (stack.folder.logs / "api.log").read_text(), "nothing was said")


def test_state_and_plan_are_read_by_their_owner_alone(stack):
    stack.part("api")
    stack.running()
    for name in ("state.json", "plan.json"):
        assert (stack.folder.path / name).stat().st_mode & 0o077 == 0
    assert json.loads((stack.folder.path / "state.json").read_text())["phase"] == "running"


def test_health_is_told(stack):
    sick_later = SERVER.replace(
        "self.send_response(200)",
        f"self.send_response(503 if __import__('os').path.exists({str(stack.journal)!r} + '.sick') else 200)",
    )
    stack.part("api", code=sick_later)
    stack.running()
    assert stack.one("api").health == ""
    stack.journal.with_name("journal.sick").touch()
    assert "503" in until(lambda: stack.one("api").health, "it is still well")


def test_roles_start_anew_when_the_source_changes_and_servers_do_not(stack, tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    (source / "one.py").write_text("")
    stack.part("database", is_role=False)
    stack.part("api")
    stack.run(watch=str(source))
    until(lambda: stack.state().phase == "running", stack.log())
    before = {p.name: p.pid for p in stack.state().parts}
    (source / "notes.txt").write_text("not read by anybody")
    (source / "two.py").write_text("")
    until(
        lambda: (
            stack.one("api").pid not in (0, before["api"]) and stack.one("api").phase == "running"
        ),
        "it was not started anew",
    )
    assert stack.one("database").pid == before["database"]
    assert stack.one("api").restarts == 0
