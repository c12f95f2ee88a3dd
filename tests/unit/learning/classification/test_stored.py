"""Records of a document store are classified, and what was broken off is gone on with."""

import pytest

from salient.errors import Conflict, InvalidInput
from salient.learning.classification import TextClassifier, classify_records, stored, told
from salient.storage.docs import Records

SEA = ["the ship sank at sea", "sailors and ships at sea", "a captain sails the sea"]
LAW = ["the court heard the judge", "a judge in the court of law", "the law says the judge"]


@pytest.fixture(params=["memory:", "sqlite:{tmp}/r.db"])
def records(request, tmp_path):
    with Records.open(request.param.format(tmp=tmp_path)) as opened:
        opened.put_many("news", [(f"{i:03}", {"text": text}) for i, text in enumerate(SEA + LAW)])
        opened.put("news", "900", {"text": None})
        opened.put("news", "901", {"other": 1})
        yield opened


def model(many=False):
    y = ["sea"] * 9 + ["law"] * 9
    made = TextClassifier(n_bits=12, multi_label=many)
    return made.fit(SEA * 3 + LAW * 3, [[c] for c in y] if many else y)


def test_each_record_gets_the_class_that_predict_gives(records):
    own = model()
    done = []
    assert classify_records(own, records, "news", "classes", report=done.append) == 8
    assert done[-1] == 8
    found = list(told(records, "classes"))
    assert [t.id for t in found] == [*(f"{i:03}" for i in range(6)), "900", "901"]
    assert [t.label for t in found[:6]] == ["sea"] * 3 + ["law"] * 3
    shares = own.predict_proba([*SEA, *LAW, "", ""]).max(axis=1)
    assert [t.share for t in found] == pytest.approx(shares.tolist(), abs=1e-3)


def test_several_labels_are_tuples(records):
    classify_records(model(many=True), records, "news", "classes")
    assert [t.label for t in told(records, "classes")][:6] == [("sea",)] * 3 + [("law",)] * 3


def test_what_was_broken_off_is_gone_on_with(records, monkeypatch):
    monkeypatch.setattr(stored, "ROWS", 3)

    def stop(done):
        if done == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        classify_records(model(), records, "news", "classes", report=stop)
    assert len(list(told(records, "classes"))) == 6
    with pytest.raises(Conflict, match="holds classes already"):
        classify_records(model(), records, "news", "classes")
    monkeypatch.setattr(stored, "ROWS", 4)
    assert classify_records(model(), records, "news", "classes", resume=True) == 8
    assert len({t.id for t in told(records, "classes")}) == len(list(told(records, "classes"))) == 8


def test_what_cannot_be(records):
    with pytest.raises(InvalidInput, match="another collection"):
        classify_records(model(), records, "news", "news")
    records.put("other", "a", {"x": 1})
    with pytest.raises(Conflict, match="no classes"):
        classify_records(model(), records, "news", "other", resume=True)
    records.put("news", "005", {"text": 5})
    with pytest.raises(InvalidInput, match="'005' is no string"):
        classify_records(model(), records, "news", "classes")


def test_an_empty_collection_is_no_record(records):
    assert classify_records(model(), records, "nothing", "classes") == 0
    assert list(told(records, "classes")) == []
