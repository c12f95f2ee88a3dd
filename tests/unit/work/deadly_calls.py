"""Calls of services that kill their worker: no service does so by itself."""

import os
import signal
from pathlib import Path
from typing import Any

from salient.interfaces.calls import ServiceSetup
from salient.work import Place, handler

FILE = "tries"


class _Deadly:
    """Notes in the workspace's folder that it was called, and dies if the request has "deadly" in it."""

    def __init__(self, setup: ServiceSetup) -> None:
        self._file = Path(str((setup.settings or {})["data_dir"])) / FILE

    def __call__(self, value: dict[str, Any]) -> Any:
        with self._file.open("ab", buffering=0) as file:
            file.write(b".")
        if "deadly" in str(value):
            os.kill(os.getpid(), signal.SIGKILL)
        return {"total": 0, "seconds": 0.0, "hits": [], "facets": {}}

    def close(self) -> None:
        pass


@handler(value=dict[str, Any], setup=ServiceSetup)
def deadly(setup: ServiceSetup, place: Place) -> _Deadly:
    return _Deadly(setup)


@handler(value=dict[str, Any], setup=ServiceSetup, once=True)
def deadly_once(setup: ServiceSetup, place: Place) -> _Deadly:
    return _Deadly(setup)
