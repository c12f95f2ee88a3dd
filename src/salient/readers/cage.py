"""What the conversion child gives up before it opens a stranger's file.

Linux holds all of it; elsewhere what cannot be had is passed over, and the parent's clock and memory
watch remain.
"""

from __future__ import annotations

import ctypes
import os
import platform
import signal
import sys
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_PR_SET_SECCOMP = 22
_SECCOMP_MODE_FILTER = 2

# Calls that reach the network or start a program, by architecture. io_uring could do either.
_FORBIDDEN = {
    "x86_64": (0xC000003E, (41, 42, 44, 46, 49, 53, 59, 322, 425)),
    "aarch64": (0xC00000B7, (198, 199, 200, 203, 206, 211, 221, 281, 425)),
}
_ALLOW = 0x7FFF0000
_REFUSE = 0x00050000 | 13  # EACCES, which Python shows as PermissionError


class _Filter(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_uint16),
        ("jt", ctypes.c_uint8),
        ("jf", ctypes.c_uint8),
        ("k", ctypes.c_uint32),
    )


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint16), ("filter", ctypes.POINTER(_Filter)))


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when `parent` ends, however it ends."""
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:  # it ended before the call above
        os._exit(0)


def no_network() -> bool:
    """Forbid this process sockets and new programs for good; return whether that worked.

    A seccomp filter needs no privilege and no namespace, so it also holds inside containers.
    Source: Linux `seccomp(2)`, mode filter; offsets are those of `struct seccomp_data`.
    """
    machine = platform.machine()
    if not sys.platform.startswith("linux") or machine not in _FORBIDDEN:
        return False
    architecture, calls = _FORBIDDEN[machine]
    load, equal, answer = 0x20, 0x15, 0x06
    steps = [(load, 0, 0, 4), (equal, 1, 0, architecture), (answer, 0, 0, _REFUSE), (load, 0, 0, 0)]
    if machine == "x86_64":
        # The x32 calls have the same numbers with this bit set and would slip through.
        steps += [(0x35, 0, 1, 0x40000000), (answer, 0, 0, _REFUSE)]
    for number in calls:
        steps += [(equal, 0, 1, number), (answer, 0, 0, _REFUSE)]
    steps.append((answer, 0, 0, _ALLOW))
    filters = (_Filter * len(steps))(*(_Filter(*step) for step in steps))
    program = _Program(len(steps), ctypes.cast(filters, ctypes.POINTER(_Filter)))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return False
    done: int = libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0)
    return done == 0


def limit_memory(size_bytes: int) -> None:
    """Let allocations beyond `size_bytes` of private memory fail in this process.

    RLIMIT_DATA, not RLIMIT_AS: mapped libraries and models are not what eats a machine.
    """
    try:
        import resource
    except ImportError:
        return
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    soft = size_bytes if hard == resource.RLIM_INFINITY else min(size_bytes, hard)
    try:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
    except (ValueError, OSError):  # macOS refuses; the parent watches anyway
        return


def no_core_dump() -> None:
    """A crash leaves no copy of the document behind."""
    try:
        import resource
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def forget_peak() -> None:
    """Start `peak_memory_bytes` again from what is resident now, where the kernel can."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def peak_memory_bytes() -> int:
    """The most that was resident since `forget_peak`; since the start where that does nothing."""
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    try:
        import resource
    except ImportError:
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
