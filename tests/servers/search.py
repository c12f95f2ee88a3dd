"""osmem-server for OpenSearch, noida-db for Elasticsearch, and Sphinx."""

from __future__ import annotations

import json
import shutil
import urllib.request
from importlib.metadata import version
from urllib.parse import urlsplit

from tests.servers.server import Missing, Server, package


class _Http(Server):
    def prepare(self) -> None:
        self.data.mkdir()

    def check(self) -> None:
        self._about()

    def ask_version(self) -> str:
        about = self._about()["version"]
        product = "OpenSearch" if about.get("distribution") == "opensearch" else "Elasticsearch"
        reported = f"{product} {about['number']}"
        if self.given:
            return reported
        return f"{self._package} {version(self._package)} (as {reported})"

    def local_url(self) -> str:
        return f"opensearch://127.0.0.1:{self.port}"

    def _about(self) -> dict:
        place = self.url.partition("://")[2].partition("?")[0].rstrip("/")
        with urllib.request.urlopen(f"http://{place}/", timeout=5) as answer:
            return json.load(answer)


class OpenSearch(_Http):
    name = "opensearch"
    stands_for = "OpenSearch"
    keeps = False  # it is in memory
    _package = "osmem-server"

    def command(self) -> list[str]:
        program = package("osmem_server", "bin/osmem-server")
        return [str(program), "-addr", f"127.0.0.1:{self.port}", "-no-stdin-watch"]


class Elasticsearch(_Http):
    name = "elasticsearch"
    stands_for = "Elasticsearch"
    keeps = False  # it saves its data once a second, whatever it has acknowledged
    _package = "noida-db"

    def command(self) -> list[str]:
        return [
            str(package("noida_db", "noida-db")), "start", "--only", "elasticsearch",
            "--elasticsearch-port", str(self.port), "--data-dir", str(self.data),
        ]  # fmt: skip


FLUSH = 2  # of Sphinx: every transaction is logged; with 1, version 2.2 leaves the log empty


class Sphinx(Server):
    """Searchd; `extra` is its indexes, where {data} stands for the folder that they are kept in."""

    name = "sphinx"
    # searchd does not start without any.
    NO_INDEX_YET = """
index nothing
{
    type = rt
    path = {data}/nothing
    rt_field = text
    rt_attr_uint = number
}
"""

    def prepare(self) -> None:
        self.data.mkdir()

    def command(self) -> list[str]:
        program = shutil.which("searchd") or shutil.which("searchd", path="/usr/sbin")
        if program is None:
            raise Missing("Sphinx is not installed (on Debian: apt install sphinxsearch)")
        indexes = (self.extra or self.NO_INDEX_YET).replace("{data}", str(self.data))
        (self.folder / "sphinx.conf").write_text(f"""{indexes}
searchd
{{
    listen = 127.0.0.1:{self.port}:mysql41
    log = {self.folder}/searchd.log
    pid_file = {self.folder}/pid
    binlog_path = {self.data}
    binlog_flush = {FLUSH}
    workers = threads
}}
""")
        return [program, "--nodetach", "--config", str(self.folder / "sphinx.conf")]

    def check(self) -> None:
        self._client().close()

    def ask_version(self) -> str:
        client = self._client()
        number = client.get_server_info().split("-")[0]
        client.close()
        return f"Sphinx {number}"

    def local_url(self) -> str:
        return f"sphinx://127.0.0.1:{self.port}"

    def _client(self):
        import pymysql

        url = urlsplit(self.url)
        return pymysql.connect(
            host=url.hostname, port=url.port or 9306, connect_timeout=5, read_timeout=5
        )
