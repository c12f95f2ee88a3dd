"""What a worker does to one document: convert, annotate, read, cut into passages.

Everything here is a pure function of the document's bytes, the components and their parameters. It
reads and writes blobs only, never tables, so it may run in any process on any machine.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from salient import errors, log, readers, work
from salient.knowledge.grammar_search.rules import NONE, Rules
from salient.knowledge.ontology import Ontology, base, parse
from salient.knowledge.reading import Reading, read_document
from salient.learning.registry import Model, Registry
from salient.learning.vectors import Encoder, open_encoder
from salient.model import FURNITURE, Annotations, Child, Kind, State, Text
from salient.nlp import Engine, open_engine
from salient.nlp.gazetteer import Gazetteer
from salient.pipeline import known
from salient.pipeline import passages as cutting
from salient.pipeline.dates import document_date
from salient.pipeline.intake import local_original, original_key, readable
from salient.pipeline.ledger import Intake, Outcome, StageRun
from salient.pipeline.passages import Passages
from salient.pipeline.stages import ANNOTATE, CONVERT, PASSAGES, READ, artifact_key
from salient.readers import Limits
from salient.readers.child import Converter
from salient.readers.ocr import NEEDED
from salient.storage.blob import Blobs

_log = log.get(__name__)

# Ends that say the file is dangerous or costly rather than merely unreadable.
_QUARANTINE = frozenset(
    {"timed_out", "out_of_memory", "reader_crashed", "zip_bomb", "too_many_pages"}
)


_LINE = 150  # characters: a longer first block is no title


@dataclass(frozen=True, slots=True)
class WorkerConfig:
    """What a worker is built from: plain values, so that it can be sent to another machine.

    `ontology` is the blob key of a user's types and predicates in YAML, `gazetteer` the published
    model of the knowledge base's names, `model:NAME@VERSION`, `rules` the blob key of the rules of
    extraction that people saved; None without. `vectors` is the component that the encoder has to be.
    """

    workspace: str
    engine: str
    encoder: str
    limits: Limits
    vectors: str = ""
    ontology: str | None = None
    gazetteer: str | None = None
    rules: str | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """One document to work on.

    Without `ocr` it comes back queued, with the code `needs_ocr`, if a page must be read as an image.
    """

    document_id: str
    version: str
    name: str
    depth: int = 0
    metadata: Mapping[str, str] = field(default_factory=dict)
    ocr: bool = True


class Worker:
    """Loads components when first needed and keeps them. One per process; not for threads."""

    def __init__(self, config: WorkerConfig, blobs: Blobs, models: Registry | None = None) -> None:
        """`models`, which it closes, may be missing where `config` names none."""
        self.config = config
        self._blobs = blobs
        self._models = models
        self._converter = Converter()
        self._engine: Engine | None = None
        self._encoder: Encoder | None = None
        self._ontology: Ontology = base()
        if config.ontology:
            self._ontology = parse(blobs.get(config.ontology).decode(), over=base())
        self._rules = Rules.load(blobs.get(config.rules)) if config.rules else NONE
        self._names: Model | None = None
        self._gazetteer: Gazetteer | None = None

    @property
    def engine(self) -> Engine:
        if self._engine is None:
            self._engine = open_engine(self.config.engine)
        return self._engine

    @property
    def encoder(self) -> Encoder:
        if self._encoder is None:
            self._encoder = open_encoder(self.config.encoder, self._models)
        return self._encoder

    @property
    def gazetteer(self) -> Gazetteer | None:
        if self._gazetteer is None and self.config.gazetteer:
            if self._models is None:
                raise errors.Misconfigured("this worker has no folder for models")
            self._names = self._models.open_named(self.config.gazetteer)
            self._gazetteer = known.load(self._names)
        return self._gazetteer

    def close(self) -> None:
        self._converter.close()
        if self._names is not None:
            self._names.close()
        if self._models is not None:
            self._models.close()

    def __call__(self, task: Task) -> Outcome:
        """Take a document through every stage; what is wrong with it is in the outcome.

        Raises:
            Unavailable: a store is away. The document is not to blame, so it is not marked.
        """
        with log.span("document", document=task.document_id) as span:
            outcome = self._one(task)
            span.set(state=outcome.state.value, code=outcome.code)
        return outcome

    def _one(self, task: Task) -> Outcome:
        known: dict[str, Any] = {"metadata": task.metadata}
        stages: list[StageRun] = []
        stage = CONVERT
        try:
            with log.span("stage", stage=CONVERT):
                text, manifest, key = self._convert(task, stages)
            known |= _described(text, manifest, task)
            stage = ANNOTATE
            annotations, annotated = self._annotate(task, text, key, stages)
            known["language"] = annotations.language
            stage = READ
            self._read(task, text, annotations, annotated, stages)
            stage = PASSAGES
            self._cut(task, text, annotations, annotated, stages)
        except errors.TimedOut as error:
            return _ended(task, stage, error, stages, known)
        except errors.Unavailable:
            raise
        except errors.Error as error:
            return _ended(task, stage, error, stages, known)
        except Exception as bug:  # the boundary of one document: a fault of ours costs it alone
            _log.exception("document.crashed", document=task.document_id, stage=stage)
            fault = errors.Corrupt(
                f"salient has a fault: {type(bug).__name__} at the stage {stage}; the log says where, please report it",
                code="internal_fault",
            )
            return _ended(task, stage, fault, stages, known)
        children, left_out = self._children(task, manifest["children"])
        notes = (*(n.message for n in text.notes), *left_out)
        return Outcome(
            task.document_id,
            task.version,
            State.DONE,
            notes=notes,
            stages=tuple(stages),
            children=children,
            **known,
        )

    def _convert(self, task: Task, stages: list[StageRun]) -> tuple[Text, dict[str, Any], str]:
        """The text, what is known of the conversion, and the text's key."""
        started = time.perf_counter()
        limits = self.config.limits
        parameters = {"limits": asdict(limits), "suffix": Path(task.name).suffix.lower()}
        # Which reader a file needs is known only after looking into it, so the manifest lies under a
        # key without the reader's version and says which one made the text.
        manifest_key = artifact_key(task.version, CONVERT, readers.COMPONENT, parameters)
        manifest = self._manifest(manifest_key)
        if manifest is None:
            with local_original(self._blobs, task.version) as file:
                conversion = self._converter.convert(file, task.name, limits, with_ocr=task.ocr)
            component = f"{readers.COMPONENT}/{conversion.component}"
            key = artifact_key(task.version, CONVERT, component, parameters)
            manifest = {
                "component": component,
                "reader": conversion.component,
                "media_type": conversion.media_type,
                "text": key,
                "children": [self._keep(child) for child in conversion.children],
            }
            text = conversion.text
            self._blobs.put(key, text.dump())
            self._blobs.put(manifest_key, json.dumps(manifest).encode())
        else:
            text = Text.load(self._blobs.view(manifest["text"]))
        seconds = time.perf_counter() - started
        stages.append(StageRun(CONVERT, manifest["component"], manifest["text"], seconds))
        return text, manifest, manifest["text"]

    def _manifest(self, key: str) -> dict[str, Any] | None:
        if not self._blobs.exists(key):
            return None
        manifest: dict[str, Any] = json.loads(self._blobs.get(key))
        try:
            current = readers.version(manifest["media_type"])
        except errors.Unsupported:
            return None
        usable = manifest["reader"] == current and self._blobs.exists(manifest["text"])
        return manifest if usable else None

    def _keep(self, child: Child) -> list[Any]:
        content = child.content  # of a large one, read from its file
        version = hashlib.sha256(content).hexdigest()
        key = original_key(version)
        if not self._blobs.exists(key):
            self._blobs.put(key, content)
        return [readable(child.name), version, len(content)]

    def _children(
        self, task: Task, rows: Sequence[Sequence[Any]]
    ) -> tuple[tuple[Intake, ...], tuple[str, ...]]:
        """Documents inside this one, and what to say when they lie too deep."""
        depth = task.depth + 1
        if rows and depth > self.config.limits.max_depth:
            note = f"{len(rows)} documents inside it were left out: they lie deeper than {self.config.limits.max_depth} levels"
            return (), (note,)
        seen: dict[str, int] = {}
        children = []
        for name, version, size in rows:
            seen[name] = seen.get(name, 0) + 1
            member = name if seen[name] == 1 else f"{name}#{seen[name]}"
            key = f"{task.document_id}!{member}"
            children.append(Intake(key, name, version, size, task.document_id, depth))
        return tuple(children), ()

    def _annotate(
        self, task: Task, text: Text, made_from: str, stages: list[StageRun]
    ) -> tuple[Annotations, str]:
        component = self.engine.component
        key = artifact_key(task.version, ANNOTATE, component, {}, made_from)
        data = self._made(
            ANNOTATE,
            component,
            key,
            stages,
            lambda: next(iter(self.engine.annotate([text]))).dump(),
        )
        return Annotations.load(data), key

    def _read(
        self,
        task: Task,
        text: Text,
        annotations: Annotations,
        made_from: str,
        stages: list[StageRun],
    ) -> None:
        parameters = {
            "workspace": self.config.workspace,
            "ontology": self._ontology.digest,
            "gazetteer": self.config.gazetteer,
        }

        def make() -> bytes:
            seen = annotations
            if self.gazetteer is not None:
                seen = known.overlay(text, annotations, self.gazetteer)
            workspace, ontology = self.config.workspace, self._ontology
            return read_document(text, seen, workspace, ontology, self._rules).dump()

        component = reading_component(self._rules)
        key = artifact_key(task.version, READ, component, parameters, made_from)
        self._made(READ, component, key, stages, make)

    def _cut(
        self,
        task: Task,
        text: Text,
        annotations: Annotations,
        made_from: str,
        stages: list[StageRun],
    ) -> None:
        component = f"salient.passages@{cutting.VERSION}/{self.encoder.component}"

        def make() -> bytes:
            spans, headings = cutting.split(text, annotations)
            vectors = self.encoder.encode([text.text[a:b] for a, b in spans])
            bounds = np.asarray(spans, np.int32).reshape(-1, 2)
            return Passages(
                start=np.ascontiguousarray(bounds[:, 0]),
                end=np.ascontiguousarray(bounds[:, 1]),
                heading=np.asarray(headings, np.int32).reshape(-1, 2),
                vectors=vectors.astype(np.float16),
            ).dump()

        key = artifact_key(task.version, PASSAGES, component, {}, made_from)
        self._made(PASSAGES, component, key, stages, make)

    def _made(
        self,
        stage: str,
        component: str,
        key: str,
        stages: list[StageRun],
        make: Callable[[], bytes],
    ) -> bytes | memoryview:
        """The artifact under `key`, made now if it is not there."""
        started = time.perf_counter()
        data: bytes | memoryview
        with log.span("stage", stage=stage, component=component):
            if self._blobs.exists(key):
                data = self._blobs.view(key)
            else:
                data = make()
                self._blobs.put(key, data)
        stages.append(StageRun(stage, component, key, time.perf_counter() - started))
        return data


def reading_component(rules: Rules) -> str:
    """The component that reads documents by these rules; without any, the plain one."""
    return Reading.COMPONENT + (f"+rules.{rules.digest}" if rules.digest else "")


@work.handler(value=Task, result=Outcome, setup=WorkerConfig)
def documents(config: WorkerConfig, place: work.Place) -> Worker:
    """A worker of a pool.

    Raises:
        Misconfigured: its encoder is another one than the coordinator's, whose index has the vectors.
    """
    models = None
    if place.models is not None:
        folder, cache_bytes = place.models
        models = Registry(place.blobs, place.cache, Path(folder), cache_bytes)
    worker = Worker(config, place.blobs, models)
    if config.vectors and worker.encoder.component != config.vectors:
        worker.close()
        raise errors.Misconfigured(
            f"this worker encodes with {worker.encoder.component}, the index has vectors of {config.vectors}: install the same models everywhere"
        )
    return worker


def _described(text: Text, manifest: Mapping[str, Any], task: Task) -> dict[str, Any]:
    """What the ledger shows of a converted document."""
    metadata = {**text.metadata, **task.metadata}
    return {
        "media_type": manifest["media_type"],
        "metadata": metadata,
        "title": _title(text),
        "document_date": document_date(metadata),
        "n_pages": text.n_pages or None,
        "n_characters": len(text.text),
    }


def _title(text: Text) -> str | None:
    """The title on the page, else the one in the metadata, else a short first line, else a heading."""
    titles = np.flatnonzero(text.block_kind == int(Kind.TITLE))
    headings = np.flatnonzero(text.block_kind == int(Kind.HEADING))
    body = [
        r for r in range(min(len(text.block_kind), 20)) if Kind(text.block_kind[r]) not in FURNITURE
    ]

    def block(row: int) -> str:
        return text.text[text.block_start[row] : text.block_end[row]]

    first = block(body[0]) if body else ""
    found = (
        block(int(titles[0])) if len(titles) else "",
        text.metadata.get("title", ""),
        first if len(first) <= _LINE and "\t" not in first else "",
        block(int(headings[0])) if len(headings) else "",
    )
    title = next((f for f in found if f.strip()), None)
    return None if title is None else " ".join(title.split())[:300]


def _ended(
    task: Task,
    stage: str,
    error: errors.Error,
    stages: Sequence[StageRun],
    known: Mapping[str, Any],
) -> Outcome:
    """How a document whose stage raised ends in the ledger."""
    code = str(error.context.get("code", error.code))
    if code == NEEDED:
        state = State.QUEUED
    elif isinstance(error, errors.Unsupported):
        state = State.UNSUPPORTED
    elif code in _QUARANTINE:
        state = State.QUARANTINED
    else:
        state = State.FAILED
    known = dict(known)
    known.setdefault("media_type", error.context.get("media_type"))
    _log.info(
        "document.ended", document=task.document_id, state=state.value, stage=stage, code=code
    )
    return Outcome(
        task.document_id,
        task.version,
        state,
        stage=stage,
        code=code[:32],
        reason=error.message,
        stages=tuple(stages),
        **known,
    )
