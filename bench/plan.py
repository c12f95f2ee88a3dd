"""What `salient plan` predicts beside what `salient add` then takes, on folders of the shared data.

    python bench/plan.py [--shared FOLDER] [--only contracts,web,office,short] [--seconds 20]

Each folder is planned and then added, in new processes one after another. Beside the time by the clock
stands processor time, predicted and used, which other work on the machine does not change.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "bench"))

import multiply  # noqa: E402 # beside this file, once that is on the path

RESULTS = ROOT / "bench" / "results"


def folders(shared: Path, work: Path) -> dict[str, Path]:
    """Folders of one kind each and one of all kinds; `short` is made."""
    data = shared / "data"
    found = {
        "contracts": data / "contracts" / "cuad" / "pdf",
        "web": data / "docs" / "docling" / "html",
        "office": data / "docs" / "docling" / "docx",
        "samples": data / "docs" / "pypdf-samples",
        "patents": data / "patents" / "uspto",
    }
    short = work / "short"
    multiply.write(multiply.Multiplier(multiply.paragraphs(shared), seed=7), short, 3000)
    return found | {"short": short}


def run(*arguments: str, data: Path) -> tuple[dict[str, Any], float, float]:
    """The JSON that a command prints, the seconds it took, and processor seconds of all its processes."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    command = [sys.executable, "-m", "salient", *arguments, "--json", "--data-dir", str(data)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    seconds = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return json.loads(done.stdout), seconds, spent


def compare(folder: Path, seconds: float, work: Path) -> dict[str, Any]:
    """Plan a folder, then add it."""
    data = work / f"data-{folder.name}"
    plan, _, _ = run("plan", str(folder), "--seconds", str(seconds), data=data)
    added, _, spent = run("add", str(folder), data=data)
    finish = plan["finishes"][0]
    real = added["seconds"]
    return {
        "files": plan["files"],
        "tried": plan["tried"],
        "documents": sum(added["states"].values()),
        "documents_predicted": plan["documents"],
        "seconds": real,
        "predicted_s": finish["seconds"],
        "low_s": finish["low_s"],
        "high_s": finish["high_s"],
        "quiet_s": finish["quiet_s"],
        "off": round(finish["seconds"] / real - 1, 3),
        "within": finish["low_s"] <= real <= finish["high_s"],
        "cpu_s": round(spent, 1),
        # Every process starts once, and the coordinator's part is the processor's while it is quiet.
        "cpu_predicted_s": round(
            plan["cpu_s"] + plan["coordinator_cpu_s"] + finish["workers"] * plan["start_cpu_s"], 1
        ),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    parser.add_argument("--only", default="contracts,web,office,samples,patents,short")
    parser.add_argument("--seconds", type=float, default=20.0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        every = folders(given.shared, Path(work))
        rows = {}
        for name in given.only.split(","):
            rows[name] = compare(every[name], given.seconds, Path(work))
            print(f"{name:10} {rows[name]}", flush=True)
    line = {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "seconds_tried": given.seconds,
        **rows,
    }
    RESULTS.mkdir(exist_ok=True)
    with (RESULTS / "plan.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
