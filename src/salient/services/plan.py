"""How long files will take, and what they need, before they are added."""

from __future__ import annotations

import heapq
import itertools
import math
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import Field

from salient.model import Value
from salient.pipeline.costs import Costs
from salient.pipeline.run import PER_PROCESS, Progress, RunConfig
from salient.pipeline.survey import Drawn, Stratum, Survey, survey
from salient.pipeline.trial import Scratch, Taken, Trial
from salient.services import Context, service

_EACH = 3  # files of every stratum that are tried before any stratum gets more
_NINETY = 1.645  # standard deviations on each side that hold nine of ten
_MACHINE = 0.20  # by so much a machine's speed differs from one minute to the next
_UNKNOWN = 1.0  # relative deviation of what could not be tried
_FEW = 8  # with fewer tried, their own spread says little: all strata's is taken

Key = tuple[str, int]


class PlanFiles(Value):
    """Paths on the machine that runs the service."""

    paths: Annotated[tuple[str, ...], Field(min_length=1)]
    seconds: Annotated[float, Field(gt=0, le=3600)] = 60.0
    """For which files are tried; those under way then are finished."""
    workers: Annotated[
        tuple[Annotated[int, Field(ge=1, le=100_000)], ...], Field(max_length=20)
    ] = ()
    """Numbers of workers on other machines like this one, to predict for as well."""
    seed: int = 0


class FamilyPlan(Value):
    """Files of one kind, by their names."""

    family: str
    files: int
    size_bytes: int
    tried: int
    work_s: float = Field(description="Seconds of one worker that all of them take")
    pages: int
    words: int


class Finish(Value):
    """A prediction for a number of workers; nine of ten runs should end between `low_s` and `high_s`."""

    workers: int
    here: bool = Field(description="On this machine, with the coordinator; else on others like it")
    seconds: float
    low_s: float
    high_s: float
    quiet_s: float = Field(description="If nothing else ran: from processor time alone")
    documents_per_s: float
    pages_per_h: float
    words_per_s: float
    memory_bytes: int = Field(description="Of all roles together, what workers share counted once")
    bound: str = Field(description="What it waits for: workers, coordinator, or longest document")


class MemoryPlan(Value):
    """The most that a process of each role was seen to hold."""

    coordinator_bytes: int
    worker_bytes: int = Field(description="What a worker shares with no other")
    shared_bytes: int = Field(description="Once a machine: what its workers share")
    converter_bytes: int = Field(description="Of the process beside each worker that reads files")


class DiskPlan(Value):
    """What is kept of the files, on embedded stores."""

    originals_bytes: int
    artifacts_bytes: int
    folder_bytes: int = Field(description="Of both as files in a folder, in whole blocks")
    index_bytes: int
    tables_bytes: int


class Plan(Value):
    """What adding the files would take. Nothing was added."""

    files: int
    size_bytes: int
    documents: int = Field(description="With those inside archives and mails")
    failing: int = Field(description="Documents that will end unread, if all are as those tried")
    pages: int
    words: int
    tried: int
    work_s: float = Field(description="Seconds of one worker, by the clock while files were tried")
    cpu_s: float = Field(description="Seconds of one processor for the same")
    coordinator_s: float = Field(
        description="Seconds of the one coordinator: taking in, committing"
    )
    link_s: float = Field(description="Seconds of linking names at the end")
    coordinator_cpu_s: float = Field(description="Processor seconds of both")
    start_s: float = Field(description="Seconds until workers have loaded what they need")
    start_cpu_s: float = Field(description="Processor seconds of one of them for it")
    coordinator_bound: int = Field(description="From so many workers on, more make it no faster")
    finishes: tuple[Finish, ...]
    memory: MemoryPlan
    disk: DiskPlan
    families: tuple[FamilyPlan, ...]
    notes: tuple[str, ...] = Field(description="What could not be tried, and other things to know")


@service("plan.show", long=True)
def show(request: PlanFiles, context: Context) -> Plan:
    """Try some of the files in scratch stores, and predict time, memory and disk for all of them.

    Nothing is added to the workspace.

    Raises:
        NotFound: a path does not exist.
    """
    config = context.coordinator.config
    found = survey(
        request.paths,
        Costs(),
        max_file_bytes=config.max_file_bytes,
        seed=request.seed,
        seen=lambda n: context.report(Progress("walk", n, n)) if n % 1000 == 0 else None,
    )
    here = _here(config, found.n_files)
    if not found.n_files:
        return predict(found, Trial(here), here, request.workers)
    total = sum(len(s.drawn) for s in found.strata.values())
    with Scratch(
        context.coordinator.recipe(),
        context.blobs,
        context.models,
        workers=min(here, os.cpu_count() or 1),
        batch=config.batch,
        max_file_bytes=config.max_file_bytes,
    ) as scratch:
        trial = scratch.run(
            chosen(list(found.strata.values()), longest_s=request.seconds / 2),
            seconds=request.seconds,
            report=lambda n: context.report(Progress("try", n, total)),
        )
    return predict(found, trial, here, request.workers)


def _here(config: RunConfig, n_files: int) -> int:
    """How many workers a run on this machine would have."""
    cores = os.cpu_count() or 1
    scheme, _, rest = config.on.partition(":")
    if scheme == "inline":
        return 1
    if scheme == "processes":
        return int(rest)
    return config.processes or max(1, min(cores, n_files // PER_PROCESS))


def chosen(strata: Sequence[Stratum], longest_s: float) -> Iterator[Drawn]:
    """Files to try, best first: a few of each stratum, then by what the strata cost together.

    Args:
        longest_s: files expected to take longer are passed over.
    """
    left = [iter([d for d in s.drawn if d.expected_s <= longest_s]) for s in strata]
    by_cost = sorted(range(len(strata)), key=lambda i: strata[i].expected_s / strata[i].n_files)
    for _, i in itertools.product(range(_EACH), by_cost):
        drawn = next(left[i], None)
        if drawn is not None:
            yield drawn
    # The error of a sum shrinks fastest where each next file goes to the stratum with the largest share a file.
    heap = [(-s.expected_s / (_EACH + 1), _EACH, i) for i, s in enumerate(strata)]
    heapq.heapify(heap)
    while heap:
        _, n, i = heapq.heappop(heap)
        drawn = next(left[i], None)
        if drawn is not None:
            yield drawn
            heapq.heappush(heap, (-strata[i].expected_s / (n + 2), n + 1, i))


@dataclass(slots=True)
class _Sum:
    """What all files of a stratum take, from those tried."""

    stratum: Stratum
    tried: int = 0
    taken: Taken = field(default_factory=Taken)
    deviation_s: float = 0.0
    """Standard deviation of `taken.seconds`."""
    guessed: bool = False


def _sums(found: Survey, trial: Trial) -> list[_Sum]:
    """Each stratum's total: what its tried files took, times how much more all are expected to take."""
    owner = {id(d): key for key, s in found.strata.items() for d in s.drawn}
    tried: dict[Key, list[tuple[float, Taken]]] = {key: [] for key in found.strata}
    for one in trial.tried:
        if one.taken is not None:
            tried[owner[id(one.drawn)]].append((one.drawn.expected_s, one.taken))
    every = [pair for pairs in tried.values() for pair in pairs]
    spread = _spread(every)
    sums = []
    for key, stratum in found.strata.items():
        pairs = tried[key]
        of_family = [p for (name, _), ps in tried.items() if name == stratum.family for p in ps]
        like = pairs or of_family or every
        total = _Sum(stratum, len(pairs), guessed=not pairs)
        expected = sum(e for e, _ in like)
        for _, taken in like:
            total.taken.add(taken, stratum.expected_s / expected)
        if like:
            # How many documents a file is does not go with its size.
            each = stratum.n_files / len(like)
            total.taken.n_documents = each * sum(t.n_documents for _, t in like)
            total.taken.n_failed = each * sum(t.n_failed for _, t in like)
        n, of = len(pairs), stratum.n_files
        relative = (
            _UNKNOWN if not n else max(_spread(pairs), spread) if n < _FEW else _spread(pairs)
        )
        total.deviation_s = (
            relative * total.taken.seconds * math.sqrt(max(0.0, 1 - n / of) / max(1, n))
        )
        sums.append(total)
    return sums


def _spread(pairs: Sequence[tuple[float, Taken]]) -> float:
    """Standard deviation of seconds around their share of what was expected, in parts of their mean."""
    if len(pairs) < 2:
        return _UNKNOWN
    mean = sum(t.seconds for _, t in pairs) / len(pairs)
    ratio = sum(t.seconds for _, t in pairs) / sum(e for e, _ in pairs)
    squares = sum((t.seconds - ratio * e) ** 2 for e, t in pairs) / (len(pairs) - 1)
    return math.sqrt(squares) / mean if mean > 0 else 0.0


def predict(found: Survey, trial: Trial, here: int, workers: Sequence[int] = ()) -> Plan:
    """The arithmetic from what was found and tried.

    Args:
        here: how many workers this machine would have.
        workers: other numbers, on machines of their own.
    """
    sums = _sums(found, trial)
    whole = Taken()
    for one in sums:
        whole.add(one.taken, 1)
    deviation = math.sqrt(sum(s.deviation_s**2 for s in sums))
    files = found.n_files
    documents = max(whole.n_documents, files)
    take_in = files * trial.take_in.at(found.n_bytes / files) if files else 0.0
    commit = documents * trial.commit.at(whole.n_characters / documents) if documents else 0.0
    times = whole.n_characters / trial.n_characters if trial.n_characters else 0.0
    link = trial.link_s * times
    coordinator = take_in + commit
    still = trial.coordinator_cpu_s / trial.coordinator_s if trial.coordinator_s else 1.0
    longest = max((t.taken.seconds for t in trial.tried if t.taken is not None), default=0.0)
    memory = _memory(trial)
    counts: Counter[str] = Counter()
    for stratum in found.strata.values():
        counts[stratum.family] += stratum.n_files

    def finish(n: int, *, on_this: bool) -> Finish:
        # Each worker loads the reader of each family that it meets.
        load = sum(
            min(n, counts[name]) * sum(seen) / len(seen) for name, seen in trial.load_s.items()
        )

        def seconds(
            start: float, work: float, coordinating: float, crowd: float
        ) -> tuple[float, str]:
            if on_this and n == 1:
                return start + work + coordinating, "workers"  # one process does all in turn
            scale = work / whole.seconds if whole.seconds else 0.0
            waits = {
                "workers": (work + crowd) / n,
                "coordinator": coordinating,
                "longest document": longest * scale,
            }
            bound = max(waits, key=lambda name: waits[name])
            return start + waits[bound], bound

        span, bound = seconds(trial.start_s, whole.seconds + load, coordinator, 0.0)
        span += link
        # By the clock, workers were already slowed by the coordinator beside them; their processor
        # time was not, but it has to be had from the same processors.
        crowd = coordinator * still if on_this and n >= (os.cpu_count() or 1) else 0.0
        quiet, _ = seconds(trial.start_cpu_s, whole.cpu_s + load, coordinator * still, crowd)
        quiet += link * still
        share = whole.seconds / n / span if span else 0.0
        relative = math.hypot(
            _NINETY * share * deviation / whole.seconds if whole.seconds else 0.0, _MACHINE
        )
        return Finish(
            workers=n,
            here=on_this,
            seconds=round(span, 1),
            low_s=round(span * max(0.0, 1 - relative), 1),
            high_s=round(span * (1 + relative), 1),
            quiet_s=round(quiet, 1),
            documents_per_s=round(documents / span, 2) if span else 0.0,
            pages_per_h=round(whole.n_pages / span * 3600) if span else 0.0,
            words_per_s=round(whole.n_words / span) if span else 0.0,
            memory_bytes=memory.coordinator_bytes
            + memory.shared_bytes
            + n * (memory.worker_bytes + memory.converter_bytes),
            bound=bound,
        )

    return Plan(
        files=files,
        size_bytes=found.n_bytes,
        documents=round(documents),
        failing=round(whole.n_failed),
        pages=round(whole.n_pages),
        words=round(whole.n_words),
        tried=sum(s.tried for s in sums),
        work_s=round(whole.seconds, 1),
        cpu_s=round(whole.cpu_s, 1),
        coordinator_s=round(coordinator, 1),
        link_s=round(link, 1),
        coordinator_cpu_s=round((coordinator + link) * still, 1),
        start_s=round(trial.start_s, 1),
        start_cpu_s=round(trial.start_cpu_s, 1),
        coordinator_bound=max(1, math.ceil(whole.seconds / coordinator)) if coordinator else 1,
        finishes=(finish(here, on_this=True), *(finish(n, on_this=False) for n in workers)),
        memory=memory,
        disk=DiskPlan(
            originals_bytes=round(found.n_bytes + whole.inner_bytes),
            artifacts_bytes=round(whole.artifact_bytes),
            folder_bytes=round(whole.folder_bytes),
            index_bytes=round(trial.index_bytes * times),
            tables_bytes=round(trial.table_bytes * times),
        ),
        families=_families(sums),
        notes=tuple(_notes(found, trial, sums, whole)),
    )


def _memory(trial: Trial) -> MemoryPlan:
    seen = trial.memory
    return MemoryPlan(
        coordinator_bytes=seen.coordinator,
        worker_bytes=seen.worker,
        shared_bytes=seen.shared,
        converter_bytes=seen.converter,
    )


def _families(sums: Sequence[_Sum]) -> tuple[FamilyPlan, ...]:
    """By family, what costs most first."""
    by: dict[str, list[_Sum]] = {}
    for one in sums:
        by.setdefault(one.stratum.family, []).append(one)
    rows = [
        FamilyPlan(
            family=family,
            files=sum(o.stratum.n_files for o in ones),
            size_bytes=sum(o.stratum.n_bytes for o in ones),
            tried=sum(o.tried for o in ones),
            work_s=round(sum(o.taken.seconds for o in ones), 1),
            pages=round(sum(o.taken.n_pages for o in ones)),
            words=round(sum(o.taken.n_words for o in ones)),
        )
        for family, ones in by.items()
    ]
    return tuple(sorted(rows, key=lambda r: (-r.work_s, r.family)))


def _notes(found: Survey, trial: Trial, sums: Sequence[_Sum], whole: Taken) -> Iterator[str]:
    if not found.n_files:
        yield "there is no file that can be read under these paths"
    if found.n_unreadable:
        shown = "; ".join(found.unreadable[:5])
        more = ", …" if found.n_unreadable > 5 else ""
        yield f"{found.n_unreadable} files cannot be read and would end as failed: {shown}{more}"
    if found.n_too_large:
        yield f"{found.n_too_large} files are larger than limits.max_file_bytes and would end as failed"
    for one in sums:
        if one.guessed:
            share = one.taken.seconds / whole.seconds if whole.seconds else 0.0
            yield (
                f"{one.stratum.n_files} {one.stratum.family} files of up to {one.stratum.largest_bytes:,} bytes "
                f"were not tried; {share:.0%} of the work is a guess for them: give more --seconds"
            )
    lost = sum(t.taken is None for t in trial.tried)
    if lost:
        yield f"{lost} files took longer than the trial waits, or ended their worker; they are left out"
    if whole.cpu_s and whole.seconds > 1.3 * whole.cpu_s:
        yield (
            f"workers waited for the machine while files were tried ({whole.seconds / whole.cpu_s:.1f} seconds "
            "for each of processor time): quiet_s is what is expected if nothing else runs"
        )
    yield "files that are the same, or already in the workspace, are counted as if they were not"
