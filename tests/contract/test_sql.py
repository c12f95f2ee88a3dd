"""Every SQL backend keeps the same promises."""

import pytest

from salient.errors import Misconfigured

pytest.register_assert_rewrite("salient.storage.testing")

from salient.storage import sql as module  # noqa: E402
from salient.storage.sql import Tables  # noqa: E402
from salient.storage.testing import TablesContract  # noqa: E402
from tests.sql_spaces import DIALECTS, space  # noqa: E402


@pytest.fixture(params=DIALECTS)
def opened(request, tmp_path, servers):
    stores = []
    with space(request.param, tmp_path, servers) as url:

        def open_again():
            stores.append(Tables.open(url))
            return stores[-1]

        yield open_again
        for store in stores:
            store.close()


@pytest.fixture
def tables(opened):
    return opened()


@pytest.fixture
def reopen(opened):
    return opened


class TestTables(TablesContract):
    pass


def test_no_backend_ships_without_the_suite():
    served = {name: path.rpartition(".")[2] for name, path in module.SCHEMES.items()}
    assert set(served.values()) == set(DIALECTS)


def test_unknown_scheme_names_the_known_ones():
    with pytest.raises(Misconfigured) as info:
        Tables.open("punchcard:")
    assert "sqlite" in info.value.context["known"]
