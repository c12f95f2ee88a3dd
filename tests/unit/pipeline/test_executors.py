"""Worker processes beside whatever program started them."""

import json
import subprocess
import sys

SCRIPT = """
import json, sys
import salient

print("main ran", flush=True)
with salient.open(sys.argv[1], pipeline={"processes": 2, "batch": 2}) as workspace:
    workspace.add(sys.argv[2])
    print(json.dumps(workspace.status().states))
"""


def test_a_plain_script_without_a_guard_runs_once(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for n in range(8):
        (folder / f"{n}.txt").write_text(
            f"Company Number {n} Ltd sold pumps to Halden Maritime AS."
        )
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, script, tmp_path / "data", folder],
        capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    first, states = done.stdout.splitlines()
    assert first == "main ran"
    assert json.loads(states)["done"] == 8
