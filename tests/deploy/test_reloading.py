"""What a changed source does: seen, copied over the installed package, and the role started anew."""

import os
import signal
import subprocess
import sys
import time

import pytest

from salient.interfaces.stack import reloading
from salient.interfaces.stack.reloading import Sources

PATIENCE_S = 60

# A package that stands for salient: it writes down who it is.
MAIN = """
import os, signal, sys
from salient import kernel, version
with open(os.environ["JOURNAL"], "a") as file:
    file.write(f"{version.NUMBER} {kernel.NAME} {' '.join(sys.argv[1:])}\\n")
signal.pause()
"""


@pytest.fixture
def sources(tmp_path, monkeypatch):
    monkeypatch.setattr(reloading, "_LOOK_S", 0.0)
    (tmp_path / "a.py").write_text("1")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep/b.sql").write_text("1")
    return Sources(tmp_path)


def test_nothing_changed(sources):
    assert not sources.changed()


@pytest.mark.parametrize("name", ["a.py", "deep/b.sql", "deep/new.yaml"])
def test_a_file_that_changed_or_came_is_seen_once(sources, tmp_path, name):
    (tmp_path / name).write_text("longer than before")
    assert sources.changed()
    assert not sources.changed()


def test_a_file_that_went_is_seen(sources, tmp_path):
    (tmp_path / "a.py").unlink()
    assert sources.changed()


@pytest.mark.parametrize("name", ["notes.txt", ".hidden.py", "__pycache__/a.py", "k.so", ".git/x.py"])  # fmt: skip
def test_what_no_role_reads_is_not_looked_at(sources, tmp_path, name):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("")
    assert not sources.changed()


def test_it_looks_once_a_second_at_most(tmp_path):
    sources = Sources(tmp_path)
    (tmp_path / "a.py").write_text("")
    assert not sources.changed()


def until(holds, what):
    give_up_at = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < give_up_at, what
        time.sleep(0.05)


def test_a_role_starts_anew_from_the_source_with_the_kernels_of_the_image(tmp_path):
    image, source, journal = tmp_path / "image/salient", tmp_path / "source", tmp_path / "journal"
    for folder in (image, source):
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text("")
        (folder / "__main__.py").write_text(MAIN)
    (image / "kernel.py").write_text("NAME = 'compiled'")
    (image / "version.py").write_text("NUMBER = 0")
    (source / "version.py").write_text("NUMBER = 1")
    journal.touch()
    start = (
        "import sys; from pathlib import Path; from salient.interfaces.stack import reloading\n"
        f"sys.exit(reloading.run(['worker', '-c', '2'], Path({str(source)!r}), Path({str(image)!r})))"
    )
    process = subprocess.Popen([sys.executable, "-c", start], env={**os.environ, "JOURNAL": str(journal), "TMPDIR": str(tmp_path)})  # fmt: skip
    try:
        until(lambda: journal.read_text() == "1 compiled worker -c 2\n", "it did not start")
        (source / "version.py").write_text("NUMBER = 22")
        until(lambda: "22 compiled worker -c 2" in journal.read_text(), "it did not start anew")
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0
    finally:
        process.kill()
        process.wait()
    assert not [p for p in tmp_path.iterdir() if p.name.startswith("salient-")]
