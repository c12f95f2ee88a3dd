"""Starts a program that ends when its supervisor does: `launcher.py SUPERVISOR SIGNAL USER PROGRAM …`.

Run as a file, with nothing imported but what it needs: it becomes the program. The system sends
SIGNAL when the supervisor has died, however it died. Other systems than Linux have no such thing; there,
what outlives its supervisor is ended by the next `salient stack` command.
"""

from __future__ import annotations

import os
import sys

_PR_SET_PDEATHSIG = 1


def launch(supervisor: int, number: int, user: str, program: list[str]) -> None:
    """Become `program`, as `user` where one is given."""
    prctl = None
    if sys.platform == "linux":
        import ctypes

        # Before the change of user: Python's own files may be out of the other's reach.
        prctl = ctypes.CDLL(None).prctl
    if user:
        import pwd

        account = pwd.getpwnam(user)
        os.setgroups([])
        os.setgid(account.pw_gid)
        os.setuid(account.pw_uid)
    if prctl is not None:
        prctl(_PR_SET_PDEATHSIG, number)  # after the change of user, which takes it back
        if os.getppid() != supervisor:  # it died before that call
            sys.exit(1)
    os.execvp(program[0], program)  # noqa: S606 - the list is ours


if __name__ == "__main__":
    launch(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4:])
