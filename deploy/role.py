"""What the image runs: `role.py ROLE [ARGUMENTS]`. Standard library only.

    api, worker, beat, migrate   that role of salient
    check URL                    end with 0 if the URL answers 200: for health checks
    reload ROLE [ARGUMENTS]      that role, started anew when the source mounted at /source changes
    anything else                a verb of salient: `status`, `add /documents`, …

It is the first process of the container, so it passes signals on and reaps processes whose parent
has died; both are what an ordinary process in that place would not do.
"""

from __future__ import annotations

import os
import signal
import sys
import urllib.error
import urllib.request

ROLES = {"api": "serve", "worker": "worker", "beat": "beat", "migrate": "migrate"}
PASSED_ON = [
    signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2,
]  # fmt: skip
CHECK_S = 4.0


def command(words: list[str]) -> list[str]:
    """How the words that the container was given are run."""
    first, *rest = words or ["api"]
    if first == "reload":
        return [sys.executable, "-m", "salient.interfaces.stack.reloading", *command(rest)[3:]]
    return [sys.executable, "-m", "salient", ROLES.get(first, first), *rest]


def run(words: list[str]) -> int:
    """Run a command as init would; return its exit code, 128 and more where a signal ended it."""
    signal.pthread_sigmask(signal.SIG_BLOCK, PASSED_ON)
    child = os.posix_spawn(words[0], words, os.environ, setsigmask=[])
    for number in PASSED_ON:
        signal.signal(number, lambda given, _: os.kill(child, given))
    # What came meanwhile arrives now, and goes to the child.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, PASSED_ON)
    while True:
        pid, status = os.wait()
        if pid == child:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def check(url: str) -> int:
    """Whether a URL answers as it should."""
    try:
        # Of our own making, and never through a proxy.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(url, timeout=CHECK_S):
            return 0
    except urllib.error.HTTPError as error:
        said = error.read(1000).decode("utf-8", "replace")
        error.close()
        sys.stderr.write(f"{url} answers {error.code}: {said}\n")
    except OSError as error:
        sys.stderr.write(f"{url} does not answer: {error}\n")
    return 1


if __name__ == "__main__":
    arguments = sys.argv[1:]
    if arguments[:1] == ["check"] and len(arguments) == 2:
        sys.exit(check(arguments[1]))
    sys.exit(run(command(arguments)))
