"""What `salient plan` prints."""

import io

import pytest
from rich.console import Console

from salient.interfaces import planning
from salient.model import Source
from salient.pipeline.survey import Drawn, Stratum, Survey
from salient.pipeline.trial import Memory, Taken, Trial, Tried
from salient.services.plan import predict


@pytest.fixture
def reply():
    """Four files that take nine hundred seconds each, and one that was not tried."""
    few = [Drawn(Source("file:/x", "x.pdf", io.BytesIO), 2_000_000, 800.0) for _ in range(4)]
    pdfs = Stratum("pdf", 4**11, 4, 8_000_000, 3200.0, few)
    mails = Stratum("mail", 4**5, 1, 500, 1.0)
    trial = Trial(2, start_s=3.0, memory=Memory(300_000_000, 40_000_000, 60_000_000, 200_000_000))
    trial.tried = [Tried(d, Taken(900.0, 890.0, 1, 0.5, 100, 30_000, 180_000)) for d in few]
    found = Survey({("pdf", 11): pdfs, ("mail", 5): mails}, 1, ["[secret].txt: no"])
    return predict(found, trial, here=2, workers=[4, 16])


def printed(reply, width):
    text = io.StringIO()
    console = Console(file=text, width=width)
    for part in planning.page(reply):
        console.print(part)
    return text.getvalue()


@pytest.mark.parametrize("width", [80, 200])
def test_the_page_has_every_part(reply, width):
    text = printed(reply, width)
    for part in ("5 files, 8.0 MB", "100%", "2 here", "16", "coordinator", "artifacts", "note"):
        assert part in text
    # The clock's nine hundred seconds a file, two workers: half an hour, give or take.
    assert "24 min – 36 min" in text


def test_names_of_files_are_not_taken_for_markup(reply):
    assert "[secret].txt" in printed(reply, 400)


@pytest.mark.parametrize(
    ("n_bytes", "said"),
    [(0, "0 bytes"), (999, "999 bytes"), (1500, "1.5 kB"), (25e6, "25 MB"), (3.2e12, "3.2 TB"), (2e15, "2,000.0 TB")],
)  # fmt: skip
def test_sizes_are_said_in_units_people_use(n_bytes, said):
    assert planning.size(n_bytes) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0 s"), (99, "99 s"), (100, "2 min"), (5940, "99 min"), (7200, "2.0 h"), (200_000, "2.3 days")],
)  # fmt: skip
def test_times_are_said_in_units_people_use(seconds, said):
    assert planning.time(seconds) == said
