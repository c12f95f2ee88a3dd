"""Metrics of several processes are one sum that never goes down, and the documentation lists all."""

import os
import re
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families

import salient
from salient.interfaces import metrics, rest
from salient.services import SERVICES
from salient.work import metrics as of_work

PAGE = Path(__file__).resolve().parents[3] / "docs/how/observe.md"

# A parent as `salient worker` is one: everything is imported before its children are.
PARENT = """
import os, signal, sys, time
from pathlib import Path
import salient.interfaces.cli
from salient.interfaces import metrics
from salient.work import metrics as work

folder = Path(sys.argv[1])
metrics.start_multiprocess(folder)

def samples(name):
    lines = metrics.exposition().decode().splitlines()
    return {l.rpartition(" ")[0]: float(l.rpartition(" ")[2]) for l in lines if l.startswith(name)}

def child(run, end=None):
    there, here = os.pipe()
    pid = os.fork()
    if not pid:
        run()
        os.write(here, b".")
        if end is None:
            os._exit(0)
        time.sleep(600)
    os.read(there, 1)
    os.close(there); os.close(here)
    if end is not None:
        end(pid)
    return pid

def files():
    return sorted(f.name for f in next(f for f in folder.iterdir() if f.is_dir()).glob("*.db"))
"""


def parent(tmp_path, body, **options):
    done = subprocess.run(
        [sys.executable, "-c", PARENT + textwrap.dedent(body), str(tmp_path / "metrics")],
        capture_output=True, text=True, timeout=120, check=False, **options,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_children_are_summed_alive_and_dead_and_leave_no_files(tmp_path):
    parent(
        tmp_path,
        """
        def work_on():
            work.batch("done"); work.items("done", 10); work.busy(0.5)

        work.batch("done")
        living = child(work_on, end=lambda pid: None)
        for n in range(5):
            pid = child(work_on)
            os.waitpid(pid, 0)
            if n % 2:
                metrics.child_died(pid)  # of the others it is seen
        for _ in range(3):
            found = samples("salient_")
            assert found['salient_batches_total{result="done"}'] == 7, found
            assert found['salient_items_total{result="done"}'] == 60, found
            assert found['salient_busy_seconds_total{role="worker"}'] == 3.0, found
        pids = {n.rpartition("_")[2] for n in files()}
        assert pids == {f"{os.getpid()}.db", f"{living}.db", "dead.db"}, files()
        os.kill(living, signal.SIGKILL)
        os.waitpid(living, 0)
        assert samples("salient_batches")['salient_batches_total{result="done"}'] == 7
        assert not any(str(living) in n for n in files())
        """,
    )


def test_histograms_of_the_dead_are_summed_once(tmp_path):
    parent(
        tmp_path,
        """
        from salient.pipeline.metrics import STAGE_SECONDS
        for seconds in (0.02, 2.0, 2.0, 5000.0):
            os.waitpid(child(lambda: STAGE_SECONDS.labels("read").observe(seconds)), 0)
        found = [samples("salient_stage_seconds") for _ in range(2)]
        assert found[0] == found[1]
        bucket = lambda le: found[0]['salient_stage_seconds_bucket{le="%s",stage="read"}' % le]
        assert [bucket(le) for le in ("0.01", "0.03", "3.0", "300.0", "+Inf")] == [0, 1, 3, 3, 4]
        assert found[0]['salient_stage_seconds_count{stage="read"}'] == 4
        assert found[0]['salient_stage_seconds_sum{stage="read"}'] == 5004.02
        """,
    )


def test_a_gauge_is_what_was_seen_last_and_goes_with_who_saw_it(tmp_path):
    parent(
        tmp_path,
        """
        living = child(lambda: work.depth("salient", 7), end=lambda pid: None)
        key = 'salient_queue_depth{queue="salient"}'
        assert samples("salient_queue")[key] == 7
        work.depth("salient", 3)
        assert samples("salient_queue")[key] == 3
        work.depth("somebody's", 4)
        assert samples("salient_queue")['salient_queue_depth{queue="other"}'] == 4
        os.kill(living, signal.SIGKILL)
        os.waitpid(living, 0)
        assert samples("salient_queue")[key] == 3
        """,
    )


def test_a_child_that_was_killed_while_it_made_its_file_spoils_nothing(tmp_path):
    parent(
        tmp_path,
        """
        gone = child(lambda: None)
        os.waitpid(gone, 0)
        work.batch("done")
        own = next(f for f in folder.iterdir() if f.is_dir())
        (own / f"counter_{gone}.db").write_bytes(b"")
        (own / f"histogram_{gone}.db").write_bytes(b"\\x40\\0\\0\\0\\0\\0\\0\\0\\xff\\xff\\xff\\x7fx")
        assert samples("salient_batches")['salient_batches_total{result="done"}'] == 1
        assert not any(str(gone) in n for n in files())
        """,
    )


def test_children_started_anew_count_too(tmp_path):
    parent(
        tmp_path,
        """
        import subprocess
        code = "from salient.work import metrics; metrics.batch('sent')"
        subprocess.run([sys.executable, "-c", code], check=True)
        assert samples("salient_batches")['salient_batches_total{result="sent"}'] == 1
        """,
    )


def test_parents_share_a_folder_and_what_dead_ones_left_is_swept(tmp_path):
    out = parent(
        tmp_path,
        """
        work.batch("done")
        print(next(f for f in folder.iterdir() if f.is_dir()), flush=True)
        os.kill(os.getpid(), signal.SIGKILL) if sys.argv[2:] else None
        """,
    )
    assert not Path(out.strip()).exists()  # it ended in order
    living = subprocess.Popen(
        [sys.executable, "-c", PARENT + "work.batch('done'); print(files(), flush=True); time.sleep(600)", str(tmp_path / "metrics")],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        living.stdout.readline()
        (theirs,) = (f for f in (tmp_path / "metrics").iterdir() if f.is_dir())
        parent(
            tmp_path,
            f"""
            assert Path({str(theirs)!r}).is_dir()
            assert samples("salient_batches") == {{}}
            """,
        )
        living.send_signal(signal.SIGKILL)
        living.wait()
        assert theirs.is_dir()
        parent(tmp_path, f"assert not Path({str(theirs)!r}).exists()")
    finally:
        living.kill()
        living.communicate()


# --- one process


def test_requests_are_counted_by_route_and_strangers_add_no_labels(tmp_path):
    with (
        salient.open(tmp_path / "data") as workspace,
        TestClient(rest.create(workspace.app), base_url="http://localhost") as client,
    ):
        for n in range(20):
            client.get(f"/v1/nowhere/{n}")
            client.get("/v1/files/x/pages/1")
            client.request(f"STRANGE{n}", "/v1/status/show")
        client.post("/v1/status/show", json={})
        text = client.get("/metrics").text
    found = {
        tuple(s.labels[k] for k in ("method", "route", "status"))
        for f in text_string_to_metric_families(text)
        for s in f.samples
        if s.name == "salient_http_requests_total"
    }
    assert ("POST", "/v1/status/show", "200") in found
    assert ("GET", "/v1/files/{document_id}/pages/{page}", "404") in found
    assert not any("nowhere" in route or "STRANGE" in method for method, route, _ in found)
    assert ("other", "/v1/status/show", "405") in found
    assert f'salient_build_info{{python="{sys.version.split()[0]}",version="{salient.__version__}"}} 1.0' in text  # fmt: skip


def test_calls_are_counted_by_how_they_ended(workspace):
    def errors(code):
        labels = {"service": "documents.show", "code": code}
        return REGISTRY.get_sample_value("salient_service_errors_total", labels) or 0.0

    before = errors("not_found")
    with pytest.raises(salient.errors.NotFound):
        workspace.show("0" * 20)
    assert errors("not_found") == before + 1
    assert "documents.show" in SERVICES


def test_results_and_queues_are_bounded():
    for n in range(50):
        of_work.depth(f"queue {n}", n)
    found = {s.labels["queue"] for f in of_work.QUEUE_DEPTH.collect() for s in f.samples}
    assert found <= {"salient", "salient.ocr", "other"}


# --- the page


def test_page_lists_every_metric_as_it_is_declared():
    rows = [
        line.split("|")
        for line in PAGE.read_text("utf-8").splitlines()
        if line.startswith("| `salient_")
    ]
    listed = [
        (name.strip().strip("`"), kind.strip(), tuple(re.findall(r"`(\w+)`", labels)), about.strip())
        for _, name, kind, labels, about, _ in rows
    ]  # fmt: skip
    declared = [(f.name, f.kind, f.labels, f.about) for f in metrics.families()]
    assert listed == declared


def test_every_metric_that_the_source_makes_is_declared():
    made = set()
    for path in Path(salient.__file__).parent.rglob("*.py"):
        source = path.read_text("utf-8")
        if "prometheus_client" in source:
            made |= set(re.findall(r'(?:Counter|Gauge|Histogram|Summary)\(\s*"(\w+)"', source))
    declared = {f.name for f in metrics.families()}
    assert {m for m in made if m not in declared and f"{m}_total" not in declared} == set()
    assert len(made) == len(declared)


def test_alerts_and_queries_of_the_page_name_what_there_is():
    series = set()
    for family in metrics.families():
        series |= {family.name}
        if family.kind == "histogram":
            series |= {family.name + suffix for suffix in ("_bucket", "_sum", "_count")}
    code = "\n".join(
        re.findall(r"^```(?:yaml|promql)\n(.*?)^```", PAGE.read_text("utf-8"), re.M | re.S)
    )
    used = set(re.findall(r"\bsalient_\w+", code))
    assert len(used) > 8
    assert used <= series


def test_rules_of_the_page_are_rules():
    import yaml

    (block,) = re.findall(r"^```yaml\n(groups:.*?)^```", PAGE.read_text("utf-8"), re.M | re.S)
    rules = [rule for group in yaml.safe_load(block)["groups"] for rule in group["rules"]]
    assert len(rules) >= 5
    for rule in rules:
        assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}
        assert rule["expr"].count("(") == rule["expr"].count(")")


def test_environment_is_left_alone_by_one_process():
    assert "PROMETHEUS_MULTIPROC_DIR" not in os.environ
