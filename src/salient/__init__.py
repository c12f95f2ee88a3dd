"""Documents in; a knowledge graph that answers questions out, with the sentence behind each answer.

>>> import salient
>>> with salient.open("my-data") as workspace:
...     workspace.add("contracts/")
...     print(workspace.ask("Who supplies the pumps?").answer)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from salient.app import App
    from salient.interfaces.parallel import parallel
    from salient.interfaces.python import Workspace, open  # noqa: A004 - salient.open reads well
    from salient.settings import Settings

__all__ = ["App", "Settings", "Workspace", "errors", "open", "parallel"]
__version__ = "0.1.0"

# Loaded when first used, so that `import salient` costs nothing.
_WHERE = {
    "App": "salient.app",
    "Settings": "salient.settings",
    "Workspace": "salient.interfaces.python",
    "errors": "salient.errors",
    "open": "salient.interfaces.python",
    "parallel": "salient.interfaces.parallel",
}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'salient' has no attribute {name!r}")
    module = import_module(_WHERE[name])
    return module if name == "errors" else getattr(module, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
