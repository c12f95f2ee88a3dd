"""Published models: which there are, which version each name stands for, and changing that.

Publishing is not among these: it reads a folder of the machine where it is called, which a caller from
afar has no business to name. `salient models publish` does it.
"""

from __future__ import annotations

from itertools import islice
from typing import Annotated

from pydantic import Field

from salient.learning.registry import State
from salient.model import Value
from salient.services import Context, service
from salient.services.system import Nothing

ModelName = Annotated[str, Field(min_length=1, max_length=100)]
VersionText = Annotated[str, Field(min_length=8, max_length=64, description="Or its first characters, eight at least")]  # fmt: skip


class ModelView(Value):
    """What a name stands for."""

    name: str
    served: str = Field(description="The version that is used")
    version: str = Field(description="The newest, or the one that was rolled back to")
    pinned: str | None
    changed: str = Field(description="When, in UTC")


class ModelList(Value):
    """All models, by name."""

    models: tuple[ModelView, ...]


class OneModel(Value):
    """A model by its name."""

    name: ModelName


class OneVersion(Value):
    """A version of a model; without one, the version that is used."""

    name: ModelName
    version: VersionText | None = None


class Pinning(Value):
    """A version that shall be used, whatever is published."""

    name: ModelName
    version: VersionText


class FileView(Value):
    """A file of a model."""

    path: str
    sha256: str
    size_bytes: int


class EventView(Value):
    """Something that happened to a name."""

    event: str
    served: str
    version: str
    at: str


class ModelDetail(Value):
    """A model, the files of the version that is used, and what happened last."""

    model: ModelView
    files: tuple[FileView, ...]
    size_bytes: int
    history: tuple[EventView, ...]


class Collection(Value):
    """What may be removed."""

    keep: Annotated[int, Field(ge=1, le=1000)] = 3
    min_age_s: Annotated[float, Field(ge=0)] = 86400.0


class Collected(Value):
    """What was removed from the store."""

    versions: tuple[str, ...]
    n_files: int
    size_bytes: int


class Verified(Value):
    """Files whose contents are wrong or missing, in the store and in the cache of this machine."""

    in_store: tuple[str, ...]
    here: tuple[str, ...]


def _view(name: str, state: State) -> ModelView:
    return ModelView(
        name=name,
        served=state.served,
        version=state.version,
        pinned=state.pinned,
        changed=state.at,
    )


@service("models.list")
def list_models(request: Nothing, context: Context) -> ModelList:
    """List the models that were published, and which version each name stands for."""
    models = context.models
    return ModelList(models=tuple(_view(n, models.state(n)) for n in models.names()))


@service("models.show")
def show(request: OneModel, context: Context) -> ModelDetail:
    """Show a model: the files of the version that is used, and the last 20 changes.

    Raises:
        NotFound: nothing was published under that name.
    """
    models = context.models
    state = models.state(request.name, sure=True)
    files = models.files(state.served)
    return ModelDetail(
        model=_view(request.name, state),
        files=tuple(FileView(path=f.path, sha256=f.sha256, size_bytes=f.size_bytes) for f in files),
        size_bytes=sum(f.size_bytes for f in files),
        history=tuple(
            EventView(event=s.event, served=s.served, version=s.version, at=s.at)
            for s in islice(models.history(request.name), 20)
        ),
    )


@service("models.pin")
def pin(request: Pinning, context: Context) -> ModelView:
    """Use that version until it is unpinned, whatever is published.

    Raises:
        NotFound: the name never had that version, or it was removed.
    """
    return _view(request.name, context.models.pin(request.name, request.version))


@service("models.unpin")
def unpin(request: OneModel, context: Context) -> ModelView:
    """Use the newest version again."""
    return _view(request.name, context.models.unpin(request.name))


@service("models.rollback", idempotent=False)
def rollback(request: OneModel, context: Context) -> ModelView:
    """Go back to the version before the present one.

    Raises:
        NotFound: there is none before it any more.
        Conflict: the name is pinned.
    """
    return _view(request.name, context.models.rollback(request.name))


@service("models.gc")
def collect(request: Collection, context: Context) -> Collected:
    """Remove versions that nobody can want: not used, pinned, recent, nor held by any process."""
    swept = context.models.gc(keep=request.keep, min_age_s=request.min_age_s)
    return Collected(versions=swept.versions, n_files=swept.files, size_bytes=swept.size_bytes)


@service("models.verify")
def verify(request: OneVersion, context: Context) -> Verified:
    """Read every byte of a version, in the store and in this machine's cache.

    Raises:
        NotFound: no such name or version.
    """
    in_store, here = context.models.verify(request.name, request.version)
    return Verified(in_store=tuple(in_store), here=tuple(here))
