"""A module that workers were not told to import: a file tells if one did."""

import os
from pathlib import Path
from typing import Any

from salient.work import Place, handler
from tests.contract.pool_tasks import Each

if "SALIENT_TEST_IMPORTED" in os.environ:
    Path(os.environ["SALIENT_TEST_IMPORTED"]).touch()


@handler(value=int)
def secret(setup: Any, place: Place) -> Each:
    return Each(lambda n: n)
