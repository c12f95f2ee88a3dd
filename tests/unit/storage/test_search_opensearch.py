"""What the driver of search servers makes of answers that are none."""

import socket
import threading

import pytest

from salient.errors import Unavailable
from salient.storage.search import opensearch
from salient.storage.urls import Options

FULL = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}"


class Answering:
    """A server that gives each connection these bytes, and hangs up."""

    def __init__(self, answer):
        self._answer = answer
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)
                connection.sendall(self._answer)

    def close(self):
        self._socket.close()


def test_a_whole_answer_is_one():
    server = Answering(FULL)
    try:
        asked = opensearch._Server("", f"127.0.0.1:{server.port}", Options(""))
        assert asked.once("GET", "/x/_doc/a") == {}
    finally:
        server.close()


@pytest.mark.parametrize("kept", [17, 25, 50, len(FULL) - 1], ids=lambda n: f"{n} bytes")
def test_an_answer_that_was_cut_off_is_no_answer(kept):
    server = Answering(FULL[:kept])
    try:
        asked = opensearch._Server("", f"127.0.0.1:{server.port}", Options(""))
        with pytest.raises(Unavailable):
            asked.once("GET", "/x/_doc/a")
    finally:
        server.close()
