"""Every setting there is. Nothing below this module may import it."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from salient.errors import Misconfigured


class Section(BaseModel):
    """A group of settings."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Storage(Section):
    """One URL a store; the scheme picks the backend. `{data}` is `data_dir`."""

    cache: str = "sqlite:{data}/cache.db"
    """Small values that may expire: locks, pointers, counters."""
    blobs: str = "file:{data}/blobs"
    """Originals, artifacts and models, by content."""
    tables: str = "sqlite:{data}/salient.db"
    """The ledger, mentions, entities, facts and decisions."""
    records: str = "sqlite:{data}/records.db"
    """JSON records: jobs and saved views."""
    search: str = "embedded:{data}/index/{workspace}"
    """Full text and vectors; one folder or prefix a workspace."""


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
    batch: Annotated[int, Field(ge=1, le=1000)] = 32
    """Documents between two commits of tables and index."""
    max_attempts: Annotated[int, Field(ge=1, le=20)] = 3
    """A document that killed its worker this often is quarantined."""
    lease_s: Annotated[float, Field(gt=0)] = 600.0
    """How long a worker on another machine may be silent before its documents are taken over."""


class Nlp(Section):
    """Which components read the text."""

    engine: str = "spacy"
    encoder: str = "auto"
    """`potion`, `hashing`, or `auto`: potion where its data is installed."""
    ontology: Path | None = None
    """A YAML file whose types and predicates are added to the built-in ones."""


class Ask(Section):
    """Question answering."""

    passages: Annotated[int, Field(ge=1, le=500)] = 40
    """Passages that are looked at for one question."""
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


def toml_file() -> Path:
    """Where settings are read from: SALIENT_SETTINGS_FILE, else salient.toml in the working folder."""
    return Path(os.environ.get("SALIENT_SETTINGS_FILE", "salient.toml"))


class Settings(BaseSettings):
    """Arguments, then `SALIENT_*` variables, then salient.toml, then these defaults."""

    model_config = SettingsConfigDict(
        env_prefix="SALIENT_", env_nested_delimiter="__", frozen=True, extra="forbid"
    )

    data_dir: Path = Path("~/.local/share/salient")
    """Everything that salient keeps on this machine."""
    workspace: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")] = "default"
    storage: Storage = Storage()
    limits: Limits = Limits()
    pipeline: Pipeline = Pipeline()
    nlp: Nlp = Nlp()
    ask: Ask = Ask()
    web: Web = Web()
    log: Log = Log()

    @model_validator(mode="before")
    @classmethod
    def _no_stray_variables(cls, values: dict[str, object]) -> dict[str, object]:
        # pydantic-settings refuses an unknown nested name but passes over an unknown first one.
        names = {n for n in os.environ if n.startswith("SALIENT_")} - _NOT_SETTINGS
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
        return init_settings, env_settings, file

    @property
    def data(self) -> Path:
        """`data_dir` as an absolute path."""
        return self.data_dir.expanduser().absolute()

    def url(self, template: str) -> str:
        """A store's URL with `{data}` and `{workspace}` filled in."""
        return template.replace("{data}", str(self.data)).replace("{workspace}", self.workspace)


# Read by x.py, tests or kernels, not settings of an App.
_NOT_SETTINGS = frozenset(
    {"SALIENT_PURE_PYTHON", "SALIENT_TEST_SHARED", "SALIENT_SETTINGS_FILE", "SALIENT_WEB"}
)


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
    rows: list[tuple[str, str, str]] = []

    def walk(model: BaseModel, path: tuple[str, ...], file: Any, default: BaseModel) -> None:
        for name in type(model).model_fields:
            value, usual = getattr(model, name), getattr(default, name)
            here = file.get(name) if isinstance(file, dict) else None
            if isinstance(value, BaseModel):
                walk(value, (*path, name), here, usual)
                continue
            dotted = (*path, name)
            if "SALIENT_" + "__".join(dotted).upper() in {n.upper() for n in os.environ}:
                origin = "environment"
            elif here is not None:
                origin = str(toml_file())
            else:
                origin = "default" if value == usual else "argument"
            rows.append((".".join(dotted), str(value), origin))

    walk(settings, (), in_file, Settings.model_construct())
    return rows
