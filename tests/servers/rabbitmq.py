"""RabbitMQ, as a node of its own with its own table of nodes (epmd), neither of which outlives it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tests.servers.server import Missing, Server

PROGRAMS = Path("/usr/lib/rabbitmq/bin")
"""Not the scripts on PATH: those insist on the user rabbitmq."""


class RabbitMQ(Server):
    """Its path is a virtual host, which `host` makes."""

    name = "rabbitmq"

    def prepare(self) -> None:
        if not (PROGRAMS / "rabbitmq-server").exists() or shutil.which("epmd") is None:
            raise Missing("RabbitMQ is not installed (on Debian: apt install rabbitmq-server)")
        self.data.mkdir()
        self._distribution, self._tools, self._table = (self.another_port() for _ in range(3))
        (self.folder / "plugins").write_text("[].\n")
        (self.folder / "rabbit.conf").write_text(
            f"listeners.tcp.local = 127.0.0.1:{self.port}\n"
            "vm_memory_high_watermark.absolute = 512MB\n"
            "disk_free_limit.absolute = 50MB\n"
        )
        # The node would start one itself, as a daemon that stays.
        self._names = subprocess.Popen(
            ["epmd", "-address", "127.0.0.1", "-port", str(self._table)], cwd=self.folder,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
        assert self._session is not None
        self._session.note(self._names.pid)

    def command(self) -> list[str]:
        return [str(PROGRAMS / "rabbitmq-server")]

    def environment(self) -> dict[str, str]:
        folder = self.folder
        given = {
            "HOME": folder,  # the secret of the node lies there
            "RABBITMQ_NODENAME": f"test{self.port}@localhost",
            "RABBITMQ_DIST_PORT": self._distribution,
            "RABBITMQ_CTL_DIST_PORT_MIN": self._tools,
            "RABBITMQ_CTL_DIST_PORT_MAX": self._tools,
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "ERL_EPMD_PORT": self._table,
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_MNESIA_BASE": self.data,
            "RABBITMQ_LOG_BASE": folder,
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_ENABLED_PLUGINS_FILE": folder / "plugins",
            "RABBITMQ_CONFIG_FILE": folder / "rabbit",
            "RABBITMQ_PID_FILE": folder / "pid",
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "detached": "true",  # the script becomes the node: its process id is ours
        }
        return dict(os.environ) | {name: str(value) for name, value in given.items()}

    def check(self) -> None:
        self._client().close()

    def ask_version(self) -> str:
        client = self._client()
        properties = client.server_properties
        client.close()
        return f"RabbitMQ {properties['version']}"

    def local_url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}"

    def host(self, name: str) -> str:
        """Make a virtual host, an empty broker within this one; return its URL."""
        allowed = ", ".join(['<<".*">>'] * 3)
        self.ask(
            f'rabbit_vhost:add(<<"{name}">>, <<"tests">>), rabbit_auth_backend_internal:'
            f'set_permissions(<<"guest">>, <<"{name}">>, {allowed}, <<"tests">>).'
        )
        return self.at(name)

    def drop(self, name: str) -> None:
        """Remove a virtual host with all that is in it; who is connected is cut off."""
        self.ask(f'rabbit_vhost:delete(<<"{name}">>, <<"tests">>).')

    def ask(self, expression: str) -> str:
        """What the node answers to an expression in its own language."""
        done = subprocess.run(
            [str(PROGRAMS / "rabbitmqctl"), "-q", "eval", expression], cwd=self.folder,
            env=self.environment(), capture_output=True, check=False, text=True, timeout=60,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"rabbitmqctl: {done.stderr or done.stdout}")
        return done.stdout.strip()

    def close(self) -> None:
        super().close()
        self._end_names()

    def forget(self) -> None:
        super().forget()
        self._end_names()

    def _end_names(self) -> None:
        names = getattr(self, "_names", None)
        if names is not None:
            names.kill()
            names.wait(10)

    def _client(self):
        import amqp

        url = urlsplit(self.url)
        client = amqp.Connection(
            f"{url.hostname}:{url.port or 5672}",
            userid=unquote(url.username or "guest"),
            password=unquote(url.password or "guest"),
            virtual_host=unquote(url.path.strip("/")) or "/",
            connect_timeout=5,
            read_timeout=5,
            write_timeout=5,
        )
        client.connect()
        return client
