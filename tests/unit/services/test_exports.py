"""What is exported of annotations: every token, as the engine said it."""

import json

import salient
from salient.services import exports
from tests.unit.nlp.native import random_models


def test_annotations_have_the_tokens_as_columns(tmp_path):
    model = random_models.write(tmp_path / "model")
    (tmp_path / "news.txt").write_text(
        "The old ship sank in the bay of Bergen. Nobody had bought it."
    )
    settings = {"pipeline": {"processes": 1}, "nlp": {"engine": f"native:{model}"}}
    with salient.open(tmp_path / "data", **settings) as workspace:
        workspace.add(tmp_path / "news.txt")
        request = exports.request_of("annotations", "jsonl", {})
        (row,) = map(
            json.loads, b"".join(exports.stream(request, workspace.app.context)).splitlines()
        )
    assert row["engine"].startswith("salient.native.v1@")
    tokens = row["tokens"]
    words = [row["text"][a:b] for a, b in zip(tokens["start"], tokens["end"], strict=True)]
    assert words[:9] == "The old ship sank in the bay of Bergen".split()
    assert {len(column) for column in tokens.values()} == {len(words)}
    assert set(tokens) == {"start", "end", "lemma", "upos", "xpos", "feats", "head", "deprel"}
    assert any(tokens["feats"])
    assert all(0 <= head < len(words) for head in tokens["head"])
