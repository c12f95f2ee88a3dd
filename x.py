#!/usr/bin/env python3
"""Set-up and tasks; standard library only.

python3 x.py demo     the example corpus in the web page, from nothing
python3 x.py test     set up what tests need and run every test
python3 x.py check    format, lint, types, import contracts, spelling
python3 x.py setup    .venv, kernels, models and the web page, and no more
python3 x.py bench    the benches (see bench/README.md); takes their names
python3 x.py size     installed size of what users install
python3 x.py lock     resolve the lock files after a change of pyproject.toml; --upgrade for newer releases
python3 x.py train-nlp --minilm FOLDER    make the language model that ships, from its data (hours; goes on if stopped)
python3 x.py clean    remove what set-up made
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent
ENV = ROOT / ".venv"
BIN = ENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = BIN / ("python.exe" if os.name == "nt" else "python")
DATA = ROOT / ".salient" / "demo"
CORPUS = ROOT / "examples" / "corpus"
KNOWN = ROOT / "examples" / "knowledge_base.csv"


def run(*command: object, **options: object) -> None:
    """Run a command in the repository; its failure is ours."""
    subprocess.run([str(c) for c in command], check=True, cwd=ROOT, **options)  # type: ignore[call-overload]


def step(text: str) -> None:
    print(f"» {text}", flush=True)


def stamp_of(*patterns: str) -> str:
    """A digest of this Python and the files that match."""
    digest = hashlib.sha256(f"{sys.version}{sys.prefix}".encode())
    for pattern in patterns:
        for file in sorted(ROOT.glob(pattern)):
            digest.update(str(file.relative_to(ROOT)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def once(name: str, key: str) -> bool:
    """Whether the step `name` has not been done for `key`; say so with `done`."""
    file = ENV / f".{name}"
    return not file.is_file() or file.read_text() != key


def done(name: str, key: str) -> None:
    (ENV / f".{name}").write_text(key)


def environment() -> dict[str, str]:
    """For child processes: the .venv first, and local wheels where pip is told of some."""
    env = {**os.environ, "VIRTUAL_ENV": str(ENV), "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    if "PIP_FIND_LINKS" in env:
        env.setdefault("UV_FIND_LINKS", env["PIP_FIND_LINKS"])
    return env


def make_env() -> None:
    if sys.version_info < (3, 11):
        sys.exit("Python 3.11 or newer is needed; this is " + sys.version.split()[0])
    if PYTHON.exists():
        return
    step("making .venv")
    try:
        venv.create(ENV, with_pip=True)
    except (subprocess.CalledProcessError, ImportError):
        shutil.rmtree(ENV, ignore_errors=True)
        sys.exit(
            "this Python cannot make environments; on Debian and Ubuntu: apt install python3-venv"
        )


def install(*locks: str) -> None:
    """Install lock files, with hashes; uv where it can be had, else pip."""
    flags = [flag for lock in locks for flag in ("-r", lock)]
    env = environment()
    pip = [PYTHON, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    try:
        run(*pip, "uv>=0.9", env=env)
        run(PYTHON, "-m", "uv", "pip", "install", "-q", "--require-hashes", *flags, env=env)
    except subprocess.CalledProcessError:
        step("uv could not install; trying pip")
        run(*pip, "--require-hashes", *flags, env=env)


def setup(*, dev: bool = False) -> None:
    """Everything that running needs; what is there already is left alone."""
    make_env()
    locks = ("requirements-dev.lock",) if dev else ("requirements-build.lock",)
    name = "installed-dev" if dev else "installed"
    key = stamp_of(*locks)
    if once(name, key) and not (
        not dev and not once("installed-dev", stamp_of("requirements-dev.lock"))
    ):
        step("installing packages (a minute or two the first time)")
        install(*locks)
        done(name, key)
    key = stamp_of(
        "pyproject.toml",
        "src/salient/kernels/*.pyx",
        "src/salient/kernels/*.pxd",
        "src/salient/kernels/*.h",
        "src/salient/storage/sql/*.pyx",
    )
    if once("built", key):
        step("building the kernels")
        try:
            flags = ("-q", "--no-deps", "--no-build-isolation", "-e", ".")
            run(
                PYTHON,
                "-m",
                "pip",
                "install",
                "--disable-pip-version-check",
                *flags,
                env=environment(),
            )
        except subprocess.CalledProcessError:
            sys.exit(
                "the kernels could not be built: a C compiler is needed; on Debian and Ubuntu: apt install gcc python3-dev"
            )
        done("built", key)
    key = stamp_of("models.py")
    if once("models", key):
        step("fetching the sentence vectors (30 MB)")
        try:
            run(PYTHON, "models.py", env=environment())
            done("models", key)
        except subprocess.CalledProcessError:
            # Everything works without them, meaning search less well; the next set-up tries again.
            print(
                "  the vectors could not be fetched; search by meaning falls back to hashed words"
            )
    step("building the web page")
    run(PYTHON, "webbuild.py", env=environment())


def demo(arguments: list[str]) -> None:
    serve = "--no-serve" not in arguments
    rest = [a for a in arguments if a != "--no-serve"]
    setup()
    began = time.monotonic()
    salient = [BIN / "salient"]
    where = ["--data-dir", DATA]
    if not DATA.exists():
        step("reading what is known of the companies and people in the examples")
        run(*salient, "entities", "--import", KNOWN, *where, env=environment())
    step("reading the example documents")
    run(*salient, "add", CORPUS, *where, env=environment())
    step(
        f"ready after {time.monotonic() - began:.0f} s; your own folder: .venv/bin/salient add FOLDER"
    )
    if serve:
        command = [str(c) for c in (*salient, "serve", *where, *rest)]
        os.execve(command[0], command, environment())


def test(arguments: list[str]) -> None:
    setup(dev=True)
    programs()
    run(PYTHON, "webbuild.py", "test", env=environment())
    env = environment()
    # One thread a process: the tests run side by side.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OMP_THREAD_LIMIT"):
        env.setdefault(name, "1")
    if not arguments:
        # Some 11,000 tests, many of which wait for servers: two at a time even on one core.
        workers = max(2, min(8, os.cpu_count() or 2))
        arguments = ["-n", str(workers), "--dist", "worksteal"]
    sys.exit(subprocess.call([str(PYTHON), "-m", "pytest", *arguments], cwd=ROOT, env=env))


def programs() -> None:
    """In CI, what tests need of the system; elsewhere they say that they were skipped."""
    wanted = {
        "chromium": ("chromium", "chromium-browser", "google-chrome"),
        "mariadb-server": ("mariadbd",),
        "rabbitmq-server": ("rabbitmq-server",),
        "sphinxsearch": ("searchd",),
    }
    places = os.environ["PATH"] + os.pathsep + "/usr/sbin"
    packages = [
        package
        for package, names in wanted.items()
        if not any(shutil.which(name, path=places) for name in names)
    ]
    if not (os.environ.get("CI") and packages and shutil.which("apt-get")):
        return
    step(f"installing {', '.join(packages)} for the tests")
    if "chromium" in packages:
        packages.append("fonts-liberation")
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    run("apt-get", "update", "-qq", env=env)
    run("apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages, env=env)


def check(arguments: list[str]) -> None:
    setup(dev=True)
    fix = "--fix" in arguments
    commands: list[list[str]] = [
        ["ruff", "format", *([] if fix else ["--check"]), "."],
        ["ruff", "check", *(["--fix"] if fix else []), "."],
        ["mypy"],
        ["lint-imports"],
        ["codespell"],
    ]
    failed = []
    for command in commands:
        step(" ".join(command))
        executable = str(BIN / command[0])
        if subprocess.call([executable, *command[1:]], cwd=ROOT, env=environment()):
            failed.append(command[0])
    step("webbuild.py check")
    if subprocess.call([str(PYTHON), "webbuild.py", "check"], cwd=ROOT, env=environment()):
        failed.append("webbuild.py check")
    if failed:
        sys.exit("failed: " + ", ".join(failed))


def bench(arguments: list[str]) -> None:
    setup(dev=True)
    names = arguments or sorted(
        p.stem
        for p in (ROOT / "bench").glob("*.py")
        # Parts of others, and what takes hours or a machine of its own.
        if p.stem
        not in {
            "ask_corpus",
            "chart",
            "language",
            "language_gold",
            "multiply",
            "plan",
            "soak",
            "train_answering",
            "word_quality",
        }
    )
    for name in names:
        step(f"bench/{name}.py")
        run(PYTHON, ROOT / "bench" / f"{name}.py", env=environment())


def train_nlp(arguments: list[str]) -> None:
    """See src/salient/nlp/training/recipe.py."""
    setup(dev=True)
    if subprocess.call([str(PYTHON), "-c", "import torch"], stderr=subprocess.DEVNULL):
        sys.exit("training needs PyTorch: .venv/bin/python -m pip install 'torch>=2.4'")
    run(PYTHON, "-m", "salient.nlp.training.recipe", *arguments, env=environment())


def size(_: list[str]) -> None:
    """Install what users install into a folder of its own and add the files up."""
    make_env()
    folder = ROOT / ".salient" / "size"
    shutil.rmtree(folder, ignore_errors=True)
    run(
        PYTHON,
        "-m",
        "pip",
        "install",
        "-q",
        "--disable-pip-version-check",
        "uv>=0.9",
        env=environment(),
    )
    step("installing the default install into an empty folder")
    target = ("--target", folder)
    run(
        PYTHON,
        "-m",
        "uv",
        "pip",
        "install",
        "-q",
        "--require-hashes",
        "-r",
        "requirements.lock",
        *target,
        env=environment(),
    )
    shutil.copytree(
        ROOT / "src" / "salient", folder / "salient", ignore=shutil.ignore_patterns("__pycache__")
    )
    sizes: dict[str, int] = {}
    for file in folder.rglob("*"):
        if file.is_file():
            top = file.relative_to(folder).parts[0]
            sizes[top] = sizes.get(top, 0) + file.stat().st_size
    for name, n in sorted(sizes.items(), key=lambda s: -s[1])[:15]:
        print(f"{n / 1e6:8.1f} MB  {name}")
    print(f"{sum(sizes.values()) / 1e6:8.1f} MB  in all, without sentence vectors (30 MB)")
    torch = [n for n in sizes if n.startswith("torch")]
    print("no torch" if not torch else f"torch is in it: {torch}")
    shutil.rmtree(folder)


def lock(arguments: list[str]) -> None:
    make_env()
    run(
        PYTHON,
        "-m",
        "pip",
        "install",
        "-q",
        "--disable-pip-version-check",
        "uv>=0.9",
        env=environment(),
    )
    base = [
        PYTHON,
        "-m",
        "uv",
        "pip",
        "compile",
        "-q",
        "--universal",
        "--generate-hashes",
        "--python-version",
        "3.11",
        "--no-emit-index-url",
        "--no-emit-find-links",
        "--custom-compile-command",
        "python3 x.py lock",
        "pyproject.toml",
    ]
    env = {k: v for k, v in environment().items() if k not in ("UV_FIND_LINKS", "PIP_FIND_LINKS")}
    run(
        *base,
        *(["--upgrade"] if "--upgrade" in arguments else []),
        "--extra",
        "build",
        "--extra",
        "dev",
        "-o",
        "requirements-dev.lock",
        env=env,
    )
    # The smaller sets take the versions of the largest, so that one environment serves all tasks.
    run(
        *base,
        "--extra",
        "build",
        "-c",
        "requirements-dev.lock",
        "-o",
        "requirements-build.lock",
        env=env,
    )
    run(*base, "-c", "requirements-dev.lock", "-o", "requirements.lock", env=env)
    # What deploy/Dockerfile installs.
    image = ("--extra", "cluster", "--extra", "shell")
    run(*base, *image, "-c", "requirements-dev.lock", "-o", "requirements-image.lock", env=env)


def clean(_: list[str]) -> None:
    for folder in (
        ENV,
        ROOT / ".salient",
        ROOT / "web" / "node_modules",
        ROOT / "src/salient/interfaces/web/static",
    ):
        shutil.rmtree(folder, ignore_errors=True)
    for folder in ("src/salient/kernels", "src/salient/storage/sql"):
        for file in [*(ROOT / folder).glob("*.so"), *(ROOT / folder).glob("_*.c")]:
            file.unlink()


TASKS = {
    "demo": demo,
    "test": test,
    "check": check,
    "bench": bench,
    "size": size,
    "lock": lock,
    "train-nlp": train_nlp,
    "clean": clean,
}


def main() -> None:
    task, *rest = sys.argv[1:] or ["help"]
    if task == "setup":
        setup(dev="--dev" in rest)
    elif task in TASKS:
        try:
            TASKS[task](rest)
        except subprocess.CalledProcessError as failure:
            sys.exit(f"failed with code {failure.returncode}: {' '.join(map(str, failure.cmd))}")
    else:
        print(__doc__)
        sys.exit(0 if task in ("help", "-h", "--help") else f"no task is called {task!r}")


if __name__ == "__main__":
    main()
