"""Brokers that can be restarted, or lose all they hold."""

from __future__ import annotations

import shutil

from tests.servers import Server

KINDS = ("redis", "rabbitmq")


class Broker:
    """A durable server, that tests of one module use one after another."""

    def __init__(self, server: Server) -> None:
        self.server = server
        # RabbitMQ's own virtual host is empty too once all is lost: nobody has to make one.
        self.url = server.at("0" if server.name == "redis" else "")

    def empty(self) -> None:
        """Forget what earlier tests left; nobody may be connected."""
        if self.server.name == "redis":
            self._flush()
        else:
            self.server.drop("/")
            self.server.host("/")

    def restart(self) -> None:
        self.server.restart()

    def lose(self) -> None:
        """Forget everything: Redis in mid-connection, RabbitMQ as from a disk that broke."""
        if self.server.name == "redis":
            self._flush()
            return
        self.server.kill()
        for path in self.server.data.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        self.server.start()

    def _flush(self) -> None:
        import redis

        with redis.Redis.from_url(self.server.url) as client:
            client.flushall()
