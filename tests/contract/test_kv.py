"""Every key-value backend keeps the same promises."""

import pytest

from salient.errors import Misconfigured
from tests import kv_stores

pytest.register_assert_rewrite("salient.storage.testing")

from salient.storage import kv as module  # noqa: E402
from salient.storage.kv import KeyValue  # noqa: E402
from salient.storage.testing import KeyValueContract  # noqa: E402


@pytest.fixture(params=kv_stores.URLS)
def kv(request, tmp_path, servers):
    store = KeyValue.open(kv_stores.url_of(request.param, tmp_path, servers))
    yield store
    store.close()


@pytest.fixture
def pass_time(kv):
    return lambda seconds: kv_stores.pass_time(kv, seconds)


class TestKeyValue(KeyValueContract):
    pass


def test_no_backend_ships_without_the_suite():
    served = {*module.SCHEMES.values(), *module.WRAPPERS.values()}
    assert {path.rpartition(".")[2] for path in served} <= set(" ".join(kv_stores.URLS).split())


def test_unknown_scheme_names_the_known_ones():
    with pytest.raises(Misconfigured) as info:
        KeyValue.open("punchcard:")
    assert "sqlite" in info.value.context["known"]
