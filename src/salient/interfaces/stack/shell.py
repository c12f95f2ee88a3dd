"""A Python prompt with the app of a stack: `python -m salient.interfaces.stack.shell [CODE]`.

Settings come from the environment, as everywhere; `salient stack shell` sets them to those of the stack.
"""

from __future__ import annotations

import code
import sys
from typing import Any

import salient
from salient import errors, log
from salient.interfaces.python import Workspace
from salient.settings import load

_NAMES = "app, workspace and salient are here; workspace.status() is a beginning"


def run(given: str = "") -> None:
    """Open the app and prompt, or run some code and end."""
    settings = load()
    log.configure(
        settings.log.form, settings.log.level, settings.log_destinations(), settings.log.traces
    )
    with Workspace(salient.App(settings)) as workspace:
        names: dict[str, Any] = {
            "salient": salient,
            "workspace": workspace,
            "app": workspace.app,
            "__name__": "__main__",
        }
        if given:
            exec(compile(given, "<given>", "exec"), names)  # noqa: S102 - it is what was asked for
            return
        try:
            import IPython
        except ImportError:
            banner = f"Python's own prompt, since IPython is not installed (pip install 'salient[shell]')\n{_NAMES}"
            code.interact(banner, local=names, exitmsg="")
            return
        print(_NAMES)  # noqa: T201 - of a prompt
        IPython.start_ipython(argv=[], user_ns=names, display_banner=False)


if __name__ == "__main__":
    try:
        run(*sys.argv[1:2])
    except errors.Error as error:
        sys.exit(f"{error.code}: {error.message}")
