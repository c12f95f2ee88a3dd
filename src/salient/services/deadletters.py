"""What was given up: documents in quarantine, and calls that no worker could do."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from salient.errors import NotFound, Unavailable
from salient.model import Document, State, Value
from salient.pipeline.ledger import as_document
from salient.services import Context, service
from salient.services.views import DocumentId, Done, Limit
from salient.work import Done as Finished
from salient.work import Failed, deadletters
from salient.work.deadletters import DeadLetter

LetterId = Annotated[str, Field(min_length=1, max_length=64)]


class Letter(Value):
    """A call that was given up."""

    id: str
    at: str
    handler: str
    item: Any
    code: str
    message: str
    attempts: int
    worker: str | None
    ids: dict[str, str]


class ListDead(Value):
    """The newest of each kind."""

    limit: Limit = 50


class Dead(Value):
    """Documents that were given up, and calls; the totals are of all there are."""

    n_documents: int
    documents: tuple[Document, ...]
    n_letters: int
    letters: tuple[Letter, ...]


@service("dead.list")
def list_dead(request: ListDead, context: Context) -> Dead:
    """List what was given up: documents in quarantine, and calls."""
    ids = context.ledger.ids([State.QUARANTINED])
    documents = [as_document(r) for r in context.ledger.rows(ids[: request.limit]).values()]
    letters = deadletters.find(context.records, context.workspace, limit=request.limit)
    return Dead(
        n_documents=len(ids),
        documents=tuple(sorted(documents, key=lambda d: d.updated_at, reverse=True)),
        n_letters=deadletters.count(context.records, context.workspace),
        letters=tuple(_view(letter) for letter in letters),
    )


class RetryDead(Value):
    """Documents and letters by id; none of either takes all."""

    documents: tuple[DocumentId, ...] = ()
    letters: tuple[LetterId, ...] = ()


class Retried(Value):
    """What became of them."""

    documents: int
    """Tried again; the ledger says how they ended."""
    done: int
    """Letters that went through, and are dropped."""
    given_up: int
    """Letters that were given up again."""


@service("dead.retry", long=True, idempotent=False)
def retry(request: RetryDead, context: Context) -> Retried:
    """Try again what was given up.

    Raises:
        NotFound: one of the letters is not there any more.
    """
    everything = not request.documents and not request.letters
    documents = list(request.documents)
    letters = list(deadletters.find(context.records, context.workspace)) if everything else []
    if everything:
        documents = context.ledger.ids([State.QUARANTINED])
    if request.letters:
        letters = deadletters.get_many(context.records, context.workspace, request.letters)
        missing = set(request.letters) - {letter.id for letter in letters}
        if missing:
            raise NotFound(
                f"{len(missing)} of the letters are not there any more", ids=sorted(missing)
            )
    if documents:
        context.coordinator.retry(documents, context.report)
    ends = [_again(letter, context) for letter in letters]
    return Retried(documents=len(documents), done=sum(ends), given_up=len(ends) - sum(ends))


class ClearDead(Value):
    """Letters by id; none takes all. Documents stay: `documents.delete` deletes them."""

    letters: tuple[LetterId, ...] = ()


@service("dead.clear")
def clear(request: ClearDead, context: Context) -> Done:
    """Forget calls that were given up."""
    ids = request.letters or None
    return Done(n=deadletters.clear(context.records, context.workspace, ids))


def _again(letter: DeadLetter, context: Context) -> bool:
    """Call once more; whether it went through. What did not takes the old letter's place."""
    recipe, item = letter.call(context.modules)
    with context.pool() as pool:
        (end,) = pool.run(recipe, [item])
    deadletters.clear(context.records, context.workspace, [letter.id])
    if isinstance(end, Finished):
        return True
    error = end.error if isinstance(end, Failed) else Unavailable(end.reason)
    deadletters.put(
        context.records, recipe, item.value, error,
        keep=context.dead_letters, workspace=context.workspace, attempts=letter.attempts + 1,
    )  # fmt: skip
    return False


def _view(letter: DeadLetter) -> Letter:
    return Letter(
        id=letter.id, at=letter.at, handler=letter.handler, item=letter.item, code=letter.code, message=letter.message,
        attempts=letter.attempts, worker=letter.worker, ids=dict(letter.ids),
    )  # fmt: skip
