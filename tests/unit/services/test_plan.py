"""A plan: what is counted, what is predicted from what was tried, and that nothing stays behind."""

import io
import itertools
import os
import tempfile
import zipfile

import pytest

import salient
from salient.errors import NotFound
from salient.model import Source
from salient.pipeline.run import Cancelled
from salient.pipeline.survey import Drawn, Stratum, Survey
from salient.pipeline.trial import Memory, Taken, Trial, Tried
from salient.services.plan import chosen, predict

SENTENCE = "Halden Maritime AS bought pump number {} from Brightwater Ltd. in Leeds. "


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Twelve texts, an archive with six more, one that is no document, and two that cannot be read."""
    made = tmp_path_factory.mktemp("files")
    for n in range(12):
        (made / f"{n:02}.txt").write_text(SENTENCE.format(n) * (1 + n % 3))
    with zipfile.ZipFile(made / "more.zip", "w") as archive:
        for n in range(6):
            archive.writestr(f"in/{n}.txt", SENTENCE.format(100 + n) * 2)
    (made / "broken.pdf").write_bytes(b"%PDF-1.7 and no more")
    (made / "gone.txt").symlink_to(made / "nowhere")
    os.mkfifo(made / "pipe.txt")
    return made


@pytest.fixture(scope="module")
def planned(folder, tmp_path_factory):
    """The plan of it, the workspace's state after it, and what lay in the temporary folder."""
    temporary = tmp_path_factory.mktemp("temporary")
    before, tempfile.tempdir = tempfile.tempdir, str(temporary)
    try:
        with salient.open(
            tmp_path_factory.mktemp("data"), nlp={"engine": "rules", "encoder": "hashing"}
        ) as workspace:
            plan = workspace.call("plan.show", paths=[str(folder)], seconds=300, workers=[3, 500])
            after = workspace.status(), list(workspace.app.context.blobs.list())
            left = list(temporary.iterdir())
            added = workspace.add(folder)
            yield plan, after, left, added
    finally:
        tempfile.tempdir = before


def test_everything_tried_is_counted_as_it_then_comes_in(planned, folder):
    plan, _, _, added = planned
    files = [f for f in folder.iterdir() if f.is_file()]
    assert plan.files == plan.tried == len(files) == 14
    # The two that cannot be read are documents for `add`, which has to account for them.
    assert plan.documents == sum(added.states.values()) - 2 == 20
    assert plan.failing == added.states["failed"] - 2 == 1
    assert plan.size_bytes == sum(f.stat().st_size for f in files)
    assert plan.words == len(SENTENCE.split()) * (sum(1 + n % 3 for n in range(12)) + 6 * 2)


def test_nothing_stays_behind(planned):
    _, (status, blobs), left, _ = planned
    assert status.total == status.n_passages == status.n_entities == 0
    assert blobs == []
    assert left == []


def test_what_cannot_be_read_is_told(planned):
    plan = planned[0]
    (note,) = [n for n in plan.notes if "cannot be read" in n]
    assert note.startswith("2 files")
    assert "gone.txt" in note
    assert "pipe.txt" in note


def test_originals_are_counted_with_those_in_archives(planned):
    plan = planned[0]
    inside = sum(len(SENTENCE.format(100 + n) * 2) for n in range(6))
    assert plan.disk.originals_bytes == pytest.approx(plan.size_bytes + inside, abs=2)
    # A block for each of the twenty originals at least, and for four artifacts and their folders.
    assert plan.disk.folder_bytes > plan.disk.artifacts_bytes + 20 * 4096 * 5 > 20 * 4096 * 5
    assert plan.disk.index_bytes > 0


def test_roles_were_seen(planned):
    plan = planned[0]
    assert plan.memory.coordinator_bytes > 20e6
    assert plan.memory.worker_bytes > 20e6
    assert plan.cpu_s > 0
    assert [(f.workers, f.here) for f in plan.finishes[1:]] == [(3, False), (500, False)]
    assert plan.finishes[0].here


def test_a_folder_without_files_has_a_plan(workspace, tmp_path):
    (tmp_path / "empty").mkdir()
    plan = workspace.call("plan.show", paths=[str(tmp_path / "empty")])
    assert (plan.files, plan.documents, plan.finishes[0].seconds) == (0, 0, 0)
    assert any("no file" in note for note in plan.notes)


def test_a_path_that_is_not_there_is_the_callers_fault(workspace, tmp_path):
    with pytest.raises(NotFound):
        workspace.call("plan.show", paths=[str(tmp_path / "nowhere")])


def test_it_can_be_stopped_and_leaves_nothing(folder, tmp_path, monkeypatch):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))

    def stop(progress):
        if progress.stage == "try":
            raise Cancelled

    nlp = {"engine": "rules", "encoder": "hashing"}
    with salient.open(tmp_path / "data", nlp=nlp) as workspace, pytest.raises(Cancelled):
        workspace.call("plan.show", stop, paths=[str(folder)], seconds=300)
    assert list(temporary.iterdir()) == []


# The arithmetic, on files that nobody has.


def drawn(expected_s, size=1000):
    return Drawn(Source("file:/x", "x.txt", io.BytesIO), size, expected_s)


def stratum(name, n_files, expected_s, n_drawn=None):
    """`n_files` files, each expected to take `expected_s`."""
    few = [drawn(expected_s) for _ in range(n_files if n_drawn is None else n_drawn)]
    return Stratum(name, 4096, n_files, 1000 * n_files, expected_s * n_files, few)


def tried(one, seconds, **more):
    return Tried(one, Taken(seconds, seconds, n_documents=1, **more))


def found(*strata):
    return Survey({(s.family, n): s for n, s in enumerate(strata)})


@pytest.fixture
def trial():
    """Committing takes nothing, starting ten seconds."""
    made = Trial(2, start_s=10.0, start_cpu_s=4.0, memory=Memory(100, 40, 20, 300))
    for line in (made.take_in, made.commit):
        line.fixed_s, line.rate_s = 0.0, 0.0
    return made


def test_what_was_tried_stands_for_the_rest(trial):
    texts = stratum("text", 1000, 0.5, n_drawn=10)
    trial.tried = [tried(d, 1.0, n_pages=2, n_words=300) for d in texts.drawn]
    plan = predict(found(texts), trial, here=2, workers=[100])
    assert (plan.documents, plan.pages, plan.words, plan.work_s) == (1000, 2000, 300_000, 1000.0)
    here, elsewhere = plan.finishes
    assert elsewhere.seconds == pytest.approx(10 + 1000 / 100)
    assert here.seconds == pytest.approx(10 + 1000 / 2)
    assert here.pages_per_h == pytest.approx(2000 / 510 * 3600, rel=0.01)
    assert elsewhere.memory_bytes == 300 + 40 + 100 * (100 + 20)


def test_each_stratum_is_weighted_by_what_it_has_not_by_what_was_tried(trial):
    small, large = stratum("text", 900, 0.1, n_drawn=2), stratum("pdf", 10, 5.0, n_drawn=8)
    trial.tried = [tried(d, 0.2) for d in small.drawn] + [tried(d, 5.0) for d in large.drawn]
    plan = predict(found(small, large), trial, here=2)
    assert plan.work_s == pytest.approx(900 * 0.2 + 10 * 5.0, rel=0.01)
    assert [(f.family, f.tried) for f in plan.families] == [("text", 2), ("pdf", 8)]


def test_a_bound_narrows_with_the_number_tried_and_is_the_machines_when_all_were(trial):
    texts = stratum("text", 400, 1.0)
    seconds = itertools.cycle([0.5, 1.5])
    every = [tried(d, next(seconds)) for d in texts.drawn]
    widths = []
    for n in (10, 100, 400):
        trial.tried = every[:n]
        finish = predict(found(texts), trial, here=2).finishes[0]
        widths.append(finish.high_s / finish.seconds - 1)
    assert widths[0] > widths[1] > widths[2]
    assert widths[2] == pytest.approx(0.20, abs=0.001)
    assert widths[0] == pytest.approx(0.34, abs=0.02)  # by hand: 1.645 × 0.527 / √10, and a fifth


def test_readers_are_loaded_once_a_worker_and_no_more_often_than_there_are_files(trial):
    texts, books = stratum("text", 100, 1.0), stratum("pdf", 2, 5.0)
    trial.tried = [tried(d, d.expected_s) for d in (*texts.drawn, *books.drawn)]
    trial.load_s = {"text": [3.0, 5.0], "pdf": [10.0]}
    here, elsewhere = predict(found(texts, books), trial, here=1, workers=[4]).finishes
    assert here.seconds == pytest.approx(10 + 110 + 4 + 10, abs=0.2)
    assert elsewhere.seconds == pytest.approx(10 + (110 + 4 * 4 + 2 * 10) / 4, abs=0.2)


def test_what_could_not_be_tried_is_guessed_from_its_kind_told_and_widens_the_bound(trial):
    seen, unseen = stratum("pdf", 20, 1.0), stratum("pdf", 5, 40.0, n_drawn=5)
    trial.tried = [tried(d, 2.0) for d in seen.drawn]
    plan = predict(found(seen, unseen), trial, here=2)
    assert plan.work_s == pytest.approx(20 * 2.0 + 5 * 80.0)
    (note,) = [n for n in plan.notes if "not tried" in n]
    assert note.startswith("5 pdf files")
    assert "91%" in note
    assert plan.finishes[0].high_s > 1.5 * plan.finishes[0].seconds


def test_one_coordinator_is_the_bound_of_many_workers(trial):
    texts = stratum("text", 1000, 1.0, n_drawn=10)
    trial.tried = [tried(d, 1.0) for d in texts.drawn]
    trial.commit.fixed_s = 0.05
    trial.link_s, trial.n_characters = 0.0, 1
    plan = predict(found(texts), trial, here=2, workers=[10, 19, 40, 4000])
    assert plan.coordinator_s == pytest.approx(50, abs=1)
    assert plan.coordinator_bound == 20
    assert [f.bound for f in plan.finishes] == ["workers"] * 3 + ["coordinator"] * 2
    assert plan.finishes[-1].seconds == plan.finishes[-2].seconds


def test_no_run_is_shorter_than_its_longest_document(trial):
    texts, book = stratum("text", 100, 0.1), stratum("pdf", 1, 60.0)
    trial.tried = [*(tried(d, 0.1) for d in texts.drawn), tried(book.drawn[0], 60.0)]
    finish = predict(found(texts, book), trial, here=2, workers=[50]).finishes[1]
    assert finish.bound == "longest document"
    assert finish.seconds == pytest.approx(70)


def test_a_worker_that_was_given_up_is_left_out_and_told(trial):
    texts = stratum("text", 10, 1.0)
    trial.tried = [Tried(texts.drawn[0], None), *(tried(d, 1.0) for d in texts.drawn[1:])]
    plan = predict(found(texts), trial, here=2)
    assert plan.work_s == pytest.approx(10)
    assert any(n.startswith("1 files took longer") for n in plan.notes)


def test_on_a_busy_machine_processor_time_says_what_a_quiet_one_takes(trial):
    texts = stratum("text", 100, 1.0)
    trial.tried = [Tried(d, Taken(4.0, 1.0, n_documents=1)) for d in texts.drawn]
    plan = predict(found(texts), trial, here=2)
    assert plan.finishes[0].seconds == pytest.approx(10 + 200)
    assert plan.finishes[0].quiet_s == pytest.approx(4 + 50, rel=0.05)
    assert any("4.0 seconds" in n for n in plan.notes)


# What is tried.


def test_a_few_of_everything_come_before_more_of_anything():
    strata = [stratum("text", 1000, 0.1), stratum("pdf", 5, 9.0), stratum("web", 1, 0.2)]
    first = list(itertools.islice(chosen(strata, 100), 7))
    assert [d.expected_s for d in first] == [0.1, 0.2, 9.0, 0.1, 9.0, 0.1, 9.0]


def test_the_rest_go_to_what_costs_most_together():
    strata = [stratum("text", 1000, 0.1), stratum("pdf", 10, 1.0)]
    order = [d.expected_s for d in chosen(strata, 100)]
    assert len(order) == 1010
    assert order[6:36].count(1.0) <= 4


def test_what_would_take_all_the_time_is_passed_over():
    strata = [stratum("text", 4, 0.1), stratum("pdf", 4, 9.0)]
    assert [d.expected_s for d in chosen(strata, longest_s=5)] == [0.1] * 4
