"""Which short form stands for which longer one, within a document."""

import pytest

from salient.knowledge.shortforms import Form, attach


def root(short, *longer, kind="ORG"):
    forms = [Form(kind, short), *(Form("ORG", norm) for norm in longer)]
    return attach(forms).get((kind, short), (kind, short))[1]


@pytest.mark.parametrize(
    ("short", "longer", "kind"),
    [
        ("halden", "halden maritime as", "ORG"),
        ("halden", "halden energy", "ORG"),
        ("halden", "halden robotics ltd", "PERSON"),
        ("halden", "halden bank asa", "PLACE"),
        ("maersk", "moller maersk as", "ORG"),
    ],
)
def test_a_short_form_joins(short, longer, kind):
    assert root(short, longer, kind=kind) == longer


@pytest.mark.parametrize(
    ("short", "longer", "kind"),
    [
        ("halden", "halden music unlimited", "ORG"),  # a product or part of it
        ("halden", "halden channel", "ORG"),
        ("shanghai", "shanghai halden robotics ltd", "PLACE"),
        ("house", "white house", "ORG"),
        ("group", "halden group as", "ORG"),
    ],
)
def test_a_short_form_stays_alone(short, longer, kind):
    assert root(short, longer, kind=kind) == short
