import pytest

from salient.pipeline.dates import document_date


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({"date": "2024-03-05T10:00:00Z"}, "2024-03-05"),
        ({"created": "D:20190131120000+01'00'"}, "2019-01-31"),
        ({"date": "Tue, 05 Mar 2024 10:00:00 +0100"}, "2024-03-05"),
        ({"date": "2024/3/5"}, "2024-03-05"),
        ({"date": "soon", "created": "2020-01-02"}, "2020-01-02"),
        ({"date": "2024-02-31"}, None),
        ({"date": "9999-01-01"}, None),
        ({"date": ""}, None),
        ({}, None),
    ],
)
def test_the_most_telling_real_date_is_taken(fields, wanted):
    assert document_date(fields) == wanted
