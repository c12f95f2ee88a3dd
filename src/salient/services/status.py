"""Where a workspace stands."""

from __future__ import annotations

from pydantic import Field

from salient.model import Job, JobState, Value
from salient.services import Context, service
from salient.services.jobbook import OPEN
from salient.services.workers import Workers
from salient.work import deadletters


class ShowStatus(Value):
    """Nothing to say."""


class Failure(Value):
    """How many documents ended for one reason."""

    state: str
    code: str
    n: int


class Status(Value):
    """The ledger in numbers. `states` add up to `total`."""

    workspace: str
    total: int
    states: dict[str, int] = Field(description="Documents by state")
    failures: tuple[Failure, ...]
    n_pages: int
    n_mentions: int
    n_entities: int
    n_facts: int
    n_passages: int
    running: bool
    rate_per_s: float | None = None
    """Documents a second, lately, by what the jobs that run say; None while none can say."""
    left_s: float | None = None
    """Seconds until nothing is queued, at that rate."""
    jobs: tuple[Job, ...] = ()
    """Those that have not ended, newest first."""
    workers: Workers = Workers()
    n_dead_letters: int = 0


@service("status.show")
def show(request: ShowStatus, context: Context) -> Status:
    """Show how many documents are in which state, and what was found in them."""
    counts = context.ledger.counts()
    sql = context.tables.load("salient.services", "entities.sql")
    with context.tables.read() as tx:
        (entities,) = tx.rows(sql.totals, {"workspace": context.workspace})
        findings = tx.value(sql.n_findings, {"workspace": context.workspace})
    jobs = tuple(e.job for e in context.jobs.entries(states=OPEN))
    rates = [j.rate_per_s for j in jobs if j.state is JobState.RUNNING and j.owner and j.rate_per_s]
    rate = sum(rates) or None
    return Status(
        workspace=context.workspace,
        total=counts.total,
        states=counts.states,
        failures=tuple(Failure(state=s, code=c, n=n) for s, c, n in context.ledger.failures()),
        n_pages=counts.n_pages,
        n_mentions=int(entities.n_mentions),
        n_entities=entities.n,
        n_facts=findings,
        n_passages=context.indexes.passages.count(),
        running=counts.open > 0,
        rate_per_s=rate,
        left_s=counts.open / rate if rate and counts.open else None,
        jobs=jobs,
        workers=context.workers(),
        n_dead_letters=deadletters.count(context.records, context.workspace),
    )
