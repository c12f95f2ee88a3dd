"""A collector of OpenTelemetry that takes spans over HTTP, for tests to look at."""

import gzip
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Collector(ThreadingHTTPServer):
    """Takes spans as a real one does; `holding` lets it answer nothing."""

    def __init__(self):
        self.spans, self.services, self.holding = {}, set(), None
        super().__init__(("127.0.0.1", 0), Collecting)

    @property
    def url(self):
        return f"otlp://127.0.0.1:{self.server_port}"

    def named(self, name):
        return [s for s in self.spans.values() if s.name == name]

    def one(self, name):
        (span,) = self.named(name)
        return span

    def wait_for(self, name, n=1):
        deadline = time.monotonic() + 60
        while len(self.named(name)) < n:
            assert time.monotonic() < deadline, sorted(s.name for s in self.spans.values())
            time.sleep(0.02)
        return self.named(name)


class Collecting(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.holding is not None:
            self.server.holding.wait(60)
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        assert self.path == "/v1/traces"
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            self.server.services |= {
                a.value.string_value
                for a in resource.resource.attributes
                if a.key == "service.name"
            }
            for scope in resource.scope_spans:
                self.server.spans |= {s.span_id: s for s in scope.spans}
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


@contextmanager
def collecting():
    """A collector that serves until the block ends."""
    server = Collector()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        if server.holding is not None:
            server.holding.set()
        server.shutdown()
        thread.join()
        server.server_close()


def fields(span):
    kinds = ("string_value", "int_value", "double_value", "bool_value")
    return {
        a.key: next(getattr(a.value, k) for k in kinds if a.value.HasField(k))
        for a in span.attributes
    }


def family(span):
    return span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex()
