"""A plugin of pytest: how many tests were skipped, and that CI skips none but those the README lists."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

README = Path(__file__).with_name("README.md")


def allowed() -> set[str]:
    """Names that stand in the README's list, as `- \\`tests/….py::test_name\\`: reason`."""
    text = README.read_text("utf-8").partition("In CI none may be skipped")[2]
    return set(re.findall(r"^- `([^`]+)`: \S", text, re.M))


class Skips:
    def __init__(self) -> None:
        self.found: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.skipped and not hasattr(report, "wasxfail"):
            self.found.append(report.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.skipped:
            self.found.append(report.nodeid)

    @property
    def wrong(self) -> list[str]:
        if not os.environ.get("CI"):
            return []
        names = allowed()
        return [n for n in self.found if n not in names and n.partition("[")[0] not in names]

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.wrong and session.exitstatus == 0:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        terminalreporter.write_line(f"{len(self.found)} skipped")
        for name in self.wrong:
            terminalreporter.write_line(f"skipped in CI, and not listed in tests/README.md: {name}")


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # not in processes that tests are distributed to
        config.pluginmanager.register(Skips(), "count of skips")
