"""Word vectors trained by the workers of each pool are those of this process, bit for bit."""

import pytest

from salient.learning.embeddings import DistributedTraining
from salient.work.inline import Inline
from tests.contract import pools
from tests.unit.learning.test_embeddings import small, texts
from tests.unit.learning.test_embeddings_distributed import bits, good


@pytest.fixture(scope="module", params=pools.OTHERS)
def site(request, tmp_path_factory, servers):
    with pools.site(request.param, tmp_path_factory.mktemp(request.param), servers) as site:
        yield site


def trained(pool, place, prefix, workers):
    model = small(epochs=10)
    DistributedTraining(model, pool, place, prefix=prefix, workers=workers, shards_a_task=1).fit(
        texts(1200)
    )
    return model


def test_one_worker_is_the_single_process_and_two_are_two_inline(site):
    place = site.place()
    try:
        with site.open() as pool:
            alone, two = (trained(pool, place, f"on{n}", n) for n in (1, 2))
        assert bits(alone) == bits(small(epochs=10).fit(texts(1200)))
        assert bits(two) == bits(trained(Inline(place), place, "inline", 2))
        assert good(two) == 12
    finally:
        place.close()
