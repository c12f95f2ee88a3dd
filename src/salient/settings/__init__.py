"""Every setting there is. Nothing below this module may import it."""

from __future__ import annotations

import json
import os
import tomllib
from functools import reduce
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from salient.errors import InvalidInput, Misconfigured
from salient.settings.shared import VARIABLE, SharedSettings, Watch
from salient.storage import urls

__all__ = [
    "Section", "Settings", "SharedSettings", "Storage", "Watch", "load", "origins", "toml_file", "valid", "value_of",
]  # fmt: skip


class Section(BaseModel):
    """A group of settings."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _as_url(given: Any) -> Any:
    if not isinstance(given, str | dict):
        return given
    try:
        url = urls.from_table(given)
        urls.tree(url)
    except Misconfigured as error:
        raise ValueError(error.message) from error
    return url


Store = Annotated[str, BeforeValidator(_as_url)]
"""A store's URL, or in TOML a table: `{use = "layered", over = ["memory:", "redis://…"], ttl_s = 60}`."""


class Storage(Section):
    """One URL a store; the scheme picks the backend. `{data}` is `data_dir`.

    Stores within stores stand in brackets, as in `layered:[memory:][redis://cache:6379/0]`.
    """

    cache: Store = "sqlite:{data}/cache.db"
    """Small values that may expire: locks, pointers, counters."""
    blobs: Store = "file:{data}/blobs"
    """Originals, artifacts and models, by content."""
    tables: Store = "sqlite:{data}/salient.db"
    """The ledger, mentions, entities, facts and decisions."""
    records: Store = "sqlite:{data}/records.db"
    """JSON records: jobs and saved views."""
    search: Store = "embedded:{data}/index/{workspace}/{index}"
    """Full text and vectors; `{index}` is `documents` and `passages`, a workspace has one of each."""


class Limits(Section):
    """What one file may cost. Beyond it, what was read is kept and the ledger says what was not."""

    time_s: Annotated[float, Field(gt=0)] = 120.0
    memory_bytes: Annotated[int, Field(ge=128 * 1024 * 1024)] = 900 * 1024 * 1024
    max_pages: Annotated[int, Field(ge=1)] = 5000
    max_characters: Annotated[int, Field(ge=1000)] = 20_000_000
    max_expanded_bytes: Annotated[int, Field(ge=1024 * 1024)] = 512 * 1024 * 1024
    max_children: Annotated[int, Field(ge=0)] = 2000
    max_depth: Annotated[int, Field(ge=0)] = 5
    max_file_bytes: Annotated[int, Field(ge=1)] = 2 * 1024 * 1024 * 1024
    """Larger files are not taken in."""
    ocr_pages: Annotated[int, Field(ge=0)] = 200
    ocr_dpi: Annotated[int, Field(ge=72, le=600)] = 200


class Pipeline(Section):
    """How documents are worked on."""

    processes: Annotated[int, Field(ge=0, le=256)] = 0
    """Local worker processes; 0 lets the number of documents and cores decide."""
    batch: Annotated[int, Field(ge=1, le=1000)] = 256
    """Most documents between two commits of tables and index; one is due every two seconds."""
    max_attempts: Annotated[int, Field(ge=1, le=20)] = 3
    """A document that killed its worker this often is quarantined."""
    lease_s: Annotated[float, Field(gt=0)] = 600.0
    """How long a worker on another machine may be silent before its documents are taken over."""


class Work(Section):
    """Where documents and calls are worked on, and how long a silent worker is waited for."""

    on: str = "auto"
    """`auto`, `inline:`, `processes:N`, `celery:redis://HOST/0`, `celery:amqp://USER:PASSWORD@HOST/`, `dask:tcp://HOST:8786`."""
    beat_s: Annotated[float, Field(gt=0, le=3600)] = 15.0
    """A worker that was silent for so long is taken for dead, and others do its work."""
    hang_s: Annotated[float, Field(gt=0)] = 900.0
    """A worker that is at one document for so long hangs: it is given up as if it were dead."""
    batch_s: Annotated[float, Field(gt=0, le=3600)] = 10.0
    """Seconds of expected work that are sent to a worker at once."""
    queue_limit: Annotated[int, Field(ge=1)] = 1000
    """Batches that may wait in the queue, those of all runs together; who comes then waits."""
    ocr_pool: bool = False
    """Whether pages without text are left to workers on the queue `salient.ocr`."""
    modules: tuple[str, ...] = ()
    """Modules whose functions made with `salient.parallel` workers may run."""
    probes: str | None = None
    """`HOST:PORT` where a worker or beat says how it is: `/health`, `/ready`, `/metrics`."""
    dead_letters: Annotated[int, Field(ge=1, le=100_000)] = 1000
    """How many of the last calls that were given up are kept for people to look at."""


class Models(Section):
    """Where this machine keeps models that were published; its processes share them."""

    folder: str = "{data}/models"
    """On a disk of this machine, not one of the network."""
    cache_bytes: Annotated[int, Field(ge=1024 * 1024)] = 20 * 1024**3
    """What is used by no process goes when more would be kept. Files linked to blobs do not count."""
    check_s: Annotated[float, Field(gt=0, le=3600)] = 10.0
    """How often a running process looks for a new version, besides being told."""


class Nlp(Section):
    """Which components read the text."""

    engine: str = "native"
    """`native`, `native:DIRECTORY` of a model, `spacy` (the extra `spacy`), `spacy:PACKAGE`, or `rules`."""
    encoder: str = "auto"
    """`potion`, `hashing`, `vectors:FOLDER` of word vectors that `salient embed train` made, `transformer` (an extra), `model:NAME` of a published model, or `auto`: potion where its data is installed."""
    ontology: Path | None = None
    """A YAML file whose types and predicates are added to the built-in ones."""


class Ask(Section):
    """Question answering."""

    passages: Annotated[int, Field(ge=1, le=500)] = 40
    """Passages that are looked at for one question."""
    weights: Annotated[str, Field(pattern=r"^model:")] | None = None
    """`model:NAME`: published weights, taken over while running; None are those that ship."""
    min_confidence: Annotated[float, Field(ge=0, le=1)] | None = None
    """Below it the answer is "not found in your documents"; None takes the model's own bound."""


class Web(Section):
    """The HTTP server."""

    host: str = "127.0.0.1"
    hosts: tuple[str, ...] = ("localhost",)
    """Names by which the server may be called, besides addresses; `*` for any."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    token: SecretStr | None = None
    """When set, each request must carry it as a bearer token or cookie."""
    max_upload_bytes: Annotated[int, Field(ge=1)] = 2 * 1024 * 1024 * 1024


class Log(Section):
    """What is logged and how."""

    form: Literal["text", "json"] = "text"
    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "WARNING"
    to: tuple[str, ...] = ("stderr:",)
    """Where to, all of them: `stderr:`, `file:{data}/salient.log`, `syslog://`, `otlp://`, `redis://`."""
    traces: str | None = None
    """Where spans go: `otlp://HOST:4318`, with `?ratio=0.01` a hundredth of the traces; none are made without."""


def toml_file() -> Path:
    """Where settings are read from: SALIENT_SETTINGS_FILE, else salient.toml in the working folder."""
    return Path(os.environ.get("SALIENT_SETTINGS_FILE", "salient.toml"))


class Settings(BaseSettings):
    """Arguments, then `SALIENT_*` variables, salient.toml, the shared store, then these defaults."""

    model_config = SettingsConfigDict(
        env_prefix="SALIENT_", env_nested_delimiter="__", frozen=True, extra="forbid"
    )

    data_dir: Path = Path("~/.local/share/salient")
    """Everything that salient keeps on this machine."""
    workspace: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")] = "default"
    storage: Storage = Storage()
    limits: Limits = Limits()
    pipeline: Pipeline = Pipeline()
    work: Work = Work()
    models: Models = Models()
    nlp: Nlp = Nlp()
    ask: Ask = Ask()
    web: Web = Web()
    log: Log = Log()

    @model_validator(mode="before")
    @classmethod
    def _no_stray_variables(cls, values: dict[str, object]) -> dict[str, object]:
        # pydantic-settings refuses an unknown nested name but passes over an unknown first one.
        names = {
            n for n in os.environ if n.startswith("SALIENT_") and not n.startswith("SALIENT_TEST_")
        } - _NOT_SETTINGS
        stray = {
            n
            for n in names
            if n.removeprefix("SALIENT_").lower().split("__")[0] not in cls.model_fields
        }
        if stray:
            raise ValueError(f"no such settings: {', '.join(sorted(stray))}")
        return values

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        file = TomlConfigSettingsSource(settings_cls, toml_file())
        return init_settings, env_settings, file, _SharedSource(settings_cls)

    @property
    def data(self) -> Path:
        """`data_dir` as an absolute path."""
        return self.data_dir.expanduser().absolute()

    @property
    def models_folder(self) -> Path:
        """`models.folder` as an absolute path."""
        folder = self.models.folder.replace("{data}", str(self.data))
        return Path(folder).expanduser().absolute()

    def url(self, template: str, **more: str) -> str:
        """A store's URL with `{data}`, `{workspace}` and what else is given filled in."""
        data = urls.quoted(str(self.data))
        for name, value in {"data": data, "workspace": self.workspace, **more}.items():
            template = template.replace("{" + name + "}", value)
        return template

    def log_destinations(self) -> list[str]:
        """The log's URLs with names filled in."""
        return [self.url(one) for one in self.log.to]

    def stores(self) -> dict[str, urls.Tree]:
        """Each store taken apart, with names filled in and secrets masked."""
        return {
            name: urls.tree(self.url(getattr(self.storage, name)))
            for name in type(self.storage).model_fields
        }


class _SharedSource(PydanticBaseSettingsSource):
    """What the store that SALIENT_SETTINGS_STORE names holds, if any."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        raise NotImplementedError("the values are read as a whole")

    def __call__(self) -> dict[str, Any]:
        shared = SharedSettings.open()
        if shared is None:
            return {}
        try:
            return shared.tree()
        finally:
            shared.close()


# Read by x.py, tests or kernels, not settings of an App.
_NOT_SETTINGS = frozenset({"SALIENT_PURE_PYTHON", "SALIENT_SETTINGS_FILE", "SALIENT_WEB", VARIABLE})


def load(**given: Any) -> Settings:
    """Settings from all sources, the keyword arguments first.

    Raises:
        Misconfigured: a source holds a wrong name or value; the context lists each.
    """
    try:
        return Settings(**given)
    except ValidationError as exc:
        faults = [f"{'.'.join(map(str, e['loc'])) or 'settings'}: {e['msg']}" for e in exc.errors()]
        raise Misconfigured(
            "the settings cannot be used: " + "; ".join(faults), faults=faults
        ) from exc
    except tomllib.TOMLDecodeError as exc:
        raise Misconfigured(f"{toml_file()} is not valid TOML: {exc}") from exc


def origins(settings: Settings) -> list[tuple[str, str, str]]:
    """Each setting as (dotted name, value as text, where it came from). Secrets are masked."""
    try:
        in_file = tomllib.loads(toml_file().read_text("utf-8")) if toml_file().is_file() else {}
    except (OSError, tomllib.TOMLDecodeError):
        in_file = {}
    in_store = _SharedSource(type(settings))()
    variables = {n.upper() for n in os.environ}
    rows: list[tuple[str, str, str]] = []

    def walk(model: BaseModel, path: tuple[str, ...], files: list[Any], default: BaseModel) -> None:
        for name in type(model).model_fields:
            value, usual = getattr(model, name), getattr(default, name)
            here = [f.get(name) if isinstance(f, dict) else None for f in files]
            if isinstance(value, BaseModel):
                walk(value, (*path, name), here, usual)
                continue
            dotted = (*path, name)
            if "SALIENT_" + "__".join(dotted).upper() in variables:
                origin = "environment"
            elif here[0] is not None:
                origin = str(toml_file())
            elif here[1] is not None:
                origin = "shared store"
            else:
                origin = "default" if value == usual else "argument"
            rows.append((".".join(dotted), urls.shown(str(value)), origin))

    walk(settings, (), [in_file, in_store], Settings.model_construct())
    return rows


def value_of(settings: Settings, name: str) -> Any:
    """The value of a setting by its dotted name."""
    return reduce(getattr, name.split("."), settings)


def valid(name: str, given: str) -> Any:
    """The value of one setting as it would be kept, from text: JSON, or the text itself.

    Raises:
        InvalidInput: there is no such setting.
        Misconfigured: it cannot have that value.
    """
    *sections, last = name.split(".")
    owner: Any = Settings
    for section in sections:
        field = owner.model_fields.get(section)
        owner = None if field is None else field.annotation
        if not (isinstance(owner, type) and issubclass(owner, BaseModel)):
            raise InvalidInput(f"no setting is called {name!r}")
    if last not in owner.model_fields:
        raise InvalidInput(f"no setting is called {name!r}", known=sorted(owner.model_fields))
    kind = owner.model_fields[last].annotation
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        raise InvalidInput(f"{name!r} is a group of settings", known=sorted(kind.model_fields))
    fault = ""
    for value in _read(given):
        try:
            owner.model_validate({last: value})
        except ValidationError as exc:
            fault = exc.errors()[0]["msg"]
        else:
            return value
    raise Misconfigured(f"{name} cannot be {given!r}: {fault}")


def _read(given: str) -> list[Any]:
    """What text may mean: its JSON, then itself."""
    try:
        return [json.loads(given), given]
    except ValueError:
        return [given]
