"""OpenSearch and Elasticsearch: an index that holds the entries, and beside them a document for commits."""

from __future__ import annotations

import contextlib
import json
import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar, final
from urllib.parse import unquote

import numpy as np
from opensearchpy import OpenSearch, exceptions

from salient.errors import InvalidInput, LimitExceeded, Misconfigured, TimedOut, Unavailable
from salient.storage import urls
from salient.storage.retrying import Retry
from salient.storage.search import FEATURES, IndexSchema, Prepared
from salient.storage.search.generations import (
    ALIVE,
    Generations,
    Seen,
    Shelf,
    State,
    View,
    chunks,
    made_of,
)
from salient.storage.search.lucene import (
    Fields,
    Json,
    Reader,
    any_of,
    exactly,
    pages,
    visible,
    void,
)

T = TypeVar("T")

_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,150}")
_BATCH_BYTES = 4_000_000  # of one request; servers take 100 MB, and far less behind some proxies
_BATCH = 500
_EXACT_AMONG = 20_000
_WINDOW = 100_100  # MAX_WINDOW, and some
_STATE = "state"  # the id of the document that holds it; entries have numbers
_BUSY = "the state of the search index keeps changing"
_LEAST_VERSION = 8  # of Elasticsearch


class Driver(Generations):
    """`opensearch://user:password@host:9200/prefix`; Elasticsearch 8 too; several hosts by comma.

    Options: `index` (the server's index is `prefix-index`; default `search`); `tls=yes`, with
    `verify=no` for a certificate that nobody signed, or `ca=/path`; `timeout_s` of a request; `wait_s`
    for another writer; `lease_s` after which a silent writer counts as dead; `grace_s` that a search may
    take; for a new index `shards` and `replicas`; `exact`: entries within the filters up to which all
    vectors are compared.
    """

    def __init__(self, rest: str, schema: IndexSchema) -> None:
        place, options = urls.split(rest, "search index")
        hosts, prefix = urls.location(place)
        name = f"{prefix or 'salient'}-{options.text('index', 'search')}"
        if not hosts or not _NAME.fullmatch(name):
            raise Misconfigured(
                "an index is given as opensearch://host:9200/prefix?index=name, in small letters",
                given=urls.shown(rest),
            )
        wait_s = options.number("wait_s", 60.0)
        lease_s = options.number("lease_s", 8.0, least=0.1)
        grace_s = options.number("grace_s", 60.0)
        layout = {
            "number_of_shards": options.count("shards", 1, least=1),
            "number_of_replicas": options.count("replicas", 1),
        }
        exact = options.count("exact", _EXACT_AMONG)
        server = _Server(place, hosts, options)
        try:
            options.done()
            shelf = _Shelf(server, name, schema, layout, exact)
        except BaseException:
            server.close()
            raise
        super().__init__(shelf, wait_s=wait_s, lease_s=lease_s, grace_s=grace_s)


@final
class _Server:
    """Requests to a server, and what their failures mean."""

    def __init__(self, place: str, hosts: str, options: urls.Options) -> None:
        credentials = place.removeprefix("//").partition("/")[0].rpartition("@")[0]
        user, _, password = credentials.partition(":")
        tls = options.flag("tls")
        verify = options.flag("verify", default=True)
        self._where = hosts
        self._retry = Retry()
        self._closed = False
        try:
            self._client = OpenSearch(
                hosts=[_host(host) for host in hosts.split(",")],
                http_auth=(unquote(user), unquote(password)) if credentials else None,
                use_ssl=tls,
                verify_certs=tls and verify,
                ssl_assert_hostname=verify,
                ssl_show_warn=False,
                ca_certs=options.text("ca"),
                timeout=options.number("timeout_s", 10.0, least=0.001),
                max_retries=0,  # what may be tried again is known here
                pool_maxsize=16,
            )
        except (ValueError, OSError) as exc:
            raise Misconfigured(f"the search server cannot be used so: {exc}") from exc

    def once(self, method: str, path: str, body: Json | str | None = None, **params: str) -> Json:
        """Send a request that must not be sent twice; a body of text is JSON by lines."""
        if self._closed:
            raise Unavailable("the search index is closed")
        headers = {"content-type": "application/x-ndjson"} if isinstance(body, str) else None
        with self._translated(f"{method} {path}"):
            answer: Any = self._client.transport.perform_request(
                method, path, params=params or None, body=body, headers=headers
            )
        # A connection that is cut among the headers leaves an answer without its type, which the client
        # takes for text.
        if method != "HEAD" and not isinstance(answer, dict | list):
            raise Unavailable(
                f"the search server {self._where} was cut off while it answered",
                server=self._where, tried=f"{method} {path}",
            )  # fmt: skip
        made: Json = answer
        return made

    def send(self, method: str, path: str, body: Json | str | None = None, **params: str) -> Json:
        """Send a request that does no harm when it is done twice."""
        return self._retry(lambda: self.once(method, path, body, **params))

    def exists(self, path: str) -> bool:
        """Whether there is something at a path."""
        return bool(self.send("HEAD", path))

    def again(self, run: Callable[[], T]) -> T:
        """Run what does no harm when it is done twice, again after `Unavailable`."""
        return self._retry(run)

    def close(self) -> None:
        self._closed = True
        self._client.close()

    @contextlib.contextmanager
    def _translated(self, tried: str) -> Iterator[None]:
        """The one place where the client's exceptions become ours."""
        context = {"server": self._where, "tried": tried}
        try:
            yield
        except exceptions.ConnectionTimeout as exc:
            raise TimedOut(
                f"the search server {self._where} does not answer in time", context
            ) from exc
        except exceptions.SSLError as exc:
            raise Misconfigured(
                f"no TLS with the search server {self._where}: {exc.error}", context
            ) from exc
        except exceptions.ConnectionError as exc:
            raise Unavailable(f"the search server {self._where} is away", context) from exc
        except exceptions.SerializationError as exc:
            raise Unavailable(
                f"the search server {self._where} answers something else than JSON", context
            ) from exc
        except exceptions.TransportError as exc:
            self._raise(exc, context)

    def _raise(self, exc: exceptions.TransportError, context: Mapping[str, Any]) -> None:
        status, error = int(exc.status_code), str(exc.error)
        if status in (401, 403) and "block" not in error:
            raise Misconfigured(
                f"the search server {self._where} refuses this user", context, status=status
            ) from exc
        if status == 413:
            raise LimitExceeded("an entry is too large for the search server", context) from exc
        if status >= 500 or status in (403, 408, 429) or error == "index_not_found_exception":
            raise Unavailable(
                f"the search server {self._where} cannot do it: {error[:200]}",
                context, status=status,
            ) from exc  # fmt: skip
        raise exc


def _host(given: str) -> Json:
    host, colon, port = given.rpartition(":") if not given.endswith("]") else (given, "", "")
    if not colon:
        host, port = given, "9200"
    if not host or not port.isdigit():
        raise Misconfigured("a search server is given as host:port", given=given)
    return {"host": host.strip("[]"), "port": int(port)}


@final
class _Shelf(Shelf):
    def __init__(
        self,
        server: _Server,
        name: str,
        schema: IndexSchema,
        layout: Mapping[str, int],
        exact: int,
    ) -> None:
        self._server, self._name, self._exact = server, name, exact
        self._holder = secrets.token_hex(12)
        self._versions: dict[int, Json] = {}  # of entries that are to be changed, as they were seen
        self._stood = 0.0  # when we last showed that we stand in line
        about = server.send("GET", "/")
        version = about.get("version", {}) if isinstance(about, dict) else {}
        opensearch = version.get("distribution") == "opensearch"
        if not opensearch and int(str(version.get("number", "0")).split(".")[0]) < _LEAST_VERSION:
            raise Misconfigured(
                "a search server is OpenSearch, or Elasticsearch 8 or later", found=version
            )
        self._fields = Fields(schema, "knn_vector" if opensearch else "dense_vector")
        self._make(layout)
        vectors = self._fields.vectors is None or self._compares_vectors()
        self.features = FEATURES if vectors else FEATURES - {"vectors"}
        if not vectors:
            self._fields = Fields(schema, None)

    # --- the index

    def _make(self, layout: Mapping[str, int]) -> None:
        """Make the index, or find that it is there and for the same fields."""
        settings: Json = {
            **layout, "max_result_window": _WINDOW, "refresh_interval": "-1"
        }  # fmt: skip
        if self._fields.vectors == "knn_vector":
            settings["knn"] = True
        body = {"settings": {"index": settings}, "mappings": self._fields.mapping}
        try:
            if not self._server.exists(f"/{self._name}"):
                self._server.send("PUT", f"/{self._name}", body)
        except exceptions.RequestError as exc:
            if exc.error != "resource_already_exists_exception":
                self._without_vectors(exc, layout)
        found = self._server.send("GET", f"/{self._name}/_mapping")
        mapping = next(iter(found.values()))["mappings"]
        wanted = made_of(self._fields.schema)
        if mapping.get("_meta") != wanted:
            raise Misconfigured(
                "the search index was made with other fields: delete it and index again",
                index=self._name, there=mapping.get("_meta"), wanted=wanted,
            )  # fmt: skip
        if "vector" not in mapping["properties"]:
            self._fields = Fields(self._fields.schema, None)
        first = {"state": {"holder": None, "beat": 0, "line": [], **State().as_json()}}
        with contextlib.suppress(exceptions.ConflictError):
            self._server.send("PUT", f"/{self._name}/_create/{_STATE}", first)

    def _without_vectors(self, exc: exceptions.RequestError, layout: Mapping[str, int]) -> None:
        """Make the index on a server whose vectors are no use."""
        if self._fields.vectors is None:
            raise Misconfigured(
                f"the search server refuses the index: {exc.error}", index=self._name
            ) from exc
        self._fields = Fields(self._fields.schema, None)
        self._make(layout)

    def _compares_vectors(self) -> bool:
        """Whether the server does more than to take vectors: some lack the plugin for it."""
        dim = self._fields.schema.vector_dim or 1
        query = exactly(self._fields, np.full(dim, dim**-0.5, np.float32), [{"exists": {"field": "vector"}}])  # fmt: skip
        try:
            self._ask({"size": 1, "query": query})
        except exceptions.RequestError:
            return False
        return True

    # --- commits

    def load(self) -> State:
        return State.from_json(self._state()["_source"]["state"])

    def try_lock(self, seen: Seen) -> State | None:
        there = self._state()
        state = there["_source"]["state"]
        own, holder = self._holder, state["holder"]
        # Our own name in it is of a session whose end the server did not hear of.
        free = holder in (None, own) or seen.expired("holder", (holder, state["beat"]))
        line = [one for one in state["line"] if one[0] == own or not seen.expired(*one)]
        if free and (not line or line[0][0] == own):
            self._versions.clear()
            opened = State.from_json(state).with_opened()
            taken = {"holder": own, "beat": state["beat"] + 1, "line": line[1:], **opened.as_json()}
            # If the answer is lost, it may have been done: the next try sees its own name there. A
            # generation that nobody uses is no loss.
            return opened if self._swap(there, taken) else None
        now = time.monotonic()
        if all(who != own for who, _ in line):
            line.append([own, 0])
        elif now - self._stood < seen.lease_s / 3:
            return None
        else:
            line = [[who, beat + (who == own)] for who, beat in line]
        if self._swap(there, {**state, "line": line}):
            self._stood = now
        return None

    def beat(self) -> bool:
        return self._hold(lambda state: {**state, "beat": state["beat"] + 1})

    def commit(self, state: State) -> None:
        def once() -> bool:
            if self.load().committed == state.committed:
                return True  # an earlier attempt of this was done, and its answer lost
            return self._hold(lambda there: {**there, "holder": None, **state.as_json()})

        if not self._server.again(once):
            raise Unavailable("the lock on the search index was lost to another writer")

    def unlock(self) -> None:
        def once() -> None:
            there = self._state()
            state = there["_source"]["state"]
            line = [one for one in state["line"] if one[0] != self._holder]
            holder = None if state["holder"] == self._holder else state["holder"]
            left = {**state, "holder": holder, "line": line}
            if left != state and not self._swap(there, left):
                raise Unavailable(_BUSY)

        self._server.again(once)

    def now(self) -> float:
        answer: Any = self._server.send("GET", "/_cat/health", format="json", h="epoch")
        return float(answer[0]["epoch"])

    def _state(self) -> Json:
        return self._server.send("GET", f"/{self._name}/_doc/{_STATE}")

    def _hold(self, change: Callable[[Json], Json]) -> bool:
        """Change the state as the lock's holder; False, and no change, if another has it."""

        def once() -> bool:
            there = self._state()
            state = there["_source"]["state"]
            if state["holder"] != self._holder:
                return False
            if not self._swap(there, change(state)):
                raise Unavailable(_BUSY)
            return True

        return self._server.again(once)

    def _swap(self, there: Json, state: Json) -> bool:
        """Put a state in the place of the one that was read; False if that has changed since."""
        try:
            self._server.once(
                "PUT", f"/{self._name}/_doc/{_STATE}", {"state": state},
                if_seq_no=str(there["_seq_no"]), if_primary_term=str(there["_primary_term"]),
            )  # fmt: skip
        except exceptions.ConflictError:
            return False
        return True

    # --- entries

    def write(self, rows: Sequence[tuple[int, Prepared]], born: int) -> None:
        actions: list[Json] = []
        size = 0
        for ident, entry in rows:
            actions += [{"index": {"_id": str(ident)}}, self._fields.document(entry, ident, born)]
            size += 2 * len(entry.stored) + sum(map(len, entry.terms.values()))
            if size > _BATCH_BYTES or len(actions) >= 2 * _BATCH:
                self._bulk(actions)
                actions, size = [], 0
        self._bulk(actions)

    def bury(self, idents: Sequence[int], died: int) -> None:
        for part in chunks(idents, _BATCH):
            actions: list[Json] = []
            for ident in part:
                seen = self._versions.pop(ident)
                actions += [{"update": {"_id": str(ident), **seen}}, {"doc": {"died": died}}]
            changed = self._bulk(actions)
            if changed:
                # By an earlier attempt of this whose answer was lost, or by another writer's late one.
                now = self._get(changed, ["died"], realtime="true")
                if any(source["died"] != died for source in now.values()):
                    raise Unavailable("entries of the search index were changed meanwhile")

    def remove(self, idents: Sequence[int]) -> None:
        for part in chunks(idents, 2 * _BATCH):
            self._bulk([{"delete": {"_id": str(ident)}} for ident in part])

    def settle(self) -> None:
        answer = self._server.send("POST", f"/{self._name}/_refresh")
        if answer["_shards"]["failed"]:
            raise Unavailable("the search server has parts of the index only")

    def undo(self, view: View) -> None:
        self.settle()
        changed = False
        later: Json = {"range": {"born": {"gt": view.committed}}}
        for page in self._pages(any_of([later, *void(view, "born")]), ()):
            self.remove([int(hit["_id"]) for hit in page])
            changed = True
        died: Json = {"range": {"died": {"gt": view.committed, "lt": ALIVE}}}
        for page in self._pages(any_of([died, *void(view, "died")]), ()):
            self.bury([int(hit["_id"]) for hit in page], ALIVE)
            changed = True
        if changed:
            self.settle()

    def sweep(self, view: View, died: int, base: int) -> None:
        dead: Json = {"bool": {
            "filter": [{"range": {"died": {"lte": died}}}], "must_not": void(view, "died")
        }}  # fmt: skip
        # It may take long, and nobody waits for it.
        self._server.send(
            "POST", f"/{self._name}/_delete_by_query",
            {"query": any_of([dead, {"range": {"born": {"lte": base}}}])},
            conflicts="proceed", wait_for_completion="false",
        )  # fmt: skip

    def by_keys(self, view: View, keys: Sequence[str]) -> dict[str, int]:
        return {
            hit["_source"]["key"]: int(hit["_id"])
            for part in chunks(keys, 1000)
            for page in self._pages({"terms": {"key": list(part)}}, ["key"], *visible(view))
            for hit in page
        }

    def of_group(self, view: View, group: str) -> list[int]:
        pages_there = self._pages({"term": {"group": group}}, (), *visible(view))
        return [int(hit["_id"]) for page in pages_there for hit in page]

    def _pages(self, query: Json, parts: Sequence[str], *filters: Json) -> Iterator[list[Json]]:
        """Entries, noting in which version each was seen."""
        for page in pages(self._ask, [query, *filters], parts):
            for hit in page:
                seen = {"if_seq_no": hit["_seq_no"], "if_primary_term": hit["_primary_term"]}
                self._versions[int(hit["_id"])] = seen
            yield page

    def read(self, view: View) -> Reader:
        return Reader(self._ask, self._get, self._fields, view, self._exact)

    def close(self) -> None:
        self._server.close()

    def _ask(self, body: Json) -> Json:
        # One and the same copy each time, as the scores of copies differ; and the whole of it.
        how = {"preference": "salient", "allow_partial_search_results": "false"}
        if "knn" not in body:  # Elasticsearch refuses it there
            how["search_type"] = "dfs_query_then_fetch"
        answer = self._server.send("POST", f"/{self._name}/_search", body, **how)
        if answer["timed_out"] or answer["_shards"]["failed"]:
            raise Unavailable("the search server has answered in part only")
        return answer

    def _get(
        self, idents: Sequence[int], parts: Sequence[str], realtime: str = "false"
    ) -> dict[int, Json]:
        found: dict[int, Json] = {}
        for part in chunks(idents, 1000):
            answer = self._server.send(
                "POST", f"/{self._name}/_mget", {"ids": [str(ident) for ident in part]},
                _source_includes=",".join(parts), realtime=realtime, preference="salient",
            )  # fmt: skip
            for one in answer["docs"]:
                if "error" in one:
                    raise Unavailable("the search server has answered in part only")
                if one["found"]:
                    found[int(one["_id"])] = one["_source"]
        return found

    def _bulk(self, actions: list[Json]) -> list[int]:
        """Send actions; of the changes to versions that were seen, those that found another one."""
        lines = "".join(json.dumps(action, separators=(",", ":")) + "\n" for action in actions)

        def once() -> list[int]:
            changed = []
            answer = self._server.once("POST", f"/{self._name}/_bulk", lines)
            for item in answer["items"] if answer["errors"] else ():
                ((_, result),) = item.items()
                status = int(result["status"])
                reason = str(result.get("error", {}).get("reason", ""))[:200]
                if status == 409:
                    changed.append(int(result["_id"]))
                elif status in (403, 429) or status >= 500:
                    raise Unavailable(f"the search server cannot write: {reason}", status=status)
                elif status >= 400 and status != 404:
                    raise InvalidInput(f"the search server refuses an entry: {reason}")
            return changed

        return self._server.again(once) if actions else []
