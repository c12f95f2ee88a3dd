"""What all tests share: a clean environment, a workspace in a folder, the real data beside the checkout."""

import os
import signal
from pathlib import Path

import hypothesis
import pytest

pytest_plugins = ["tests.servers.plugin", "tests.skips"]

ROOT = Path(__file__).resolve().parent.parent

for _name in [n for n in os.environ if n.startswith("SALIENT_") and "_TEST_" not in n]:
    # A developer's own settings must not decide what tests see.
    if _name != "SALIENT_PURE_PYTHON":
        del os.environ[_name]

# What a shell starts in the background ignores Ctrl-C, and so would every process that tests interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# How long a call takes says nothing of whether it is right, and this machine may be busy.
hypothesis.settings.register_profile(
    "salient", deadline=None, derandomize=bool(os.environ.get("CI"))
)
hypothesis.settings.load_profile("salient")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of public data, where there is one."""
    folder = Path(os.environ.get("SALIENT_TEST_SHARED", ROOT.parent / "shared"))
    if not (folder / "data").is_dir():
        pytest.skip("the folder of public data is not beside the checkout")
    return folder


@pytest.fixture
def workspace(tmp_path):
    """An empty workspace that works in this process."""
    import salient

    with salient.open(tmp_path / "data", pipeline={"processes": 1}) as opened:
        yield opened
