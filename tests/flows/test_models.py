"""Published models in use: encoders, weights that change under a running app, and the command line."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

import salient
from salient.errors import Misconfigured, NotFound
from salient.services import answering

WORDS = ["[UNK]", "halden", "maritime", "bought", "pumps", "leeds", "ships"]
TEXT = "Halden Maritime AS bought Brightwater Ltd. It makes pumps in Leeds."


@pytest.fixture
def vectors(tmp_path):
    """A folder of word vectors in potion's form."""
    folder = tmp_path / "vectors"
    folder.mkdir()
    rows = np.random.default_rng(7).normal(size=(len(WORDS), 16)).astype(np.float32)
    entry = {"dtype": "F32", "shape": list(rows.shape), "data_offsets": [0, rows.nbytes]}
    header = json.dumps({"embeddings": entry}).encode()
    (folder / "model.safetensors").write_bytes(
        len(header).to_bytes(8, "little") + header + rows.tobytes()
    )
    model = {"type": "WordLevel", "vocab": {w: i for i, w in enumerate(WORDS)}, "unk_token": "[UNK]"}  # fmt: skip
    tokenizer = {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": [],
        "normalizer": {"type": "Lowercase"}, "pre_tokenizer": {"type": "Whitespace"},
        "post_processor": None, "decoder": None, "model": model,
    }  # fmt: skip
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    return folder


def run(data, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "salient", *map(str, arguments), "--data-dir", str(data)],
        capture_output=True, text=True, timeout=240, check=False,
        env={**os.environ, "COLUMNS": "200", "NO_COLOR": "1", "SALIENT_NLP__ENCODER": "hashing"},
    )  # fmt: skip


def test_an_encoder_is_opened_by_the_name_of_a_model_in_every_process(tmp_path, vectors):
    data = tmp_path / "data"
    with salient.open(data, nlp={"encoder": "hashing"}) as workspace:
        workspace.app.context.models.publish("tiny", vectors)
    (tmp_path / "in").mkdir()
    for n in range(2):
        (tmp_path / "in" / f"{n}.txt").write_text(f"{TEXT} {n}")
    settings = {"nlp": {"encoder": "model:tiny"}, "pipeline": {"processes": 2}}
    with salient.open(data, workspace="two", **settings) as workspace:
        workspace.add(tmp_path / "in")
        assert workspace.status().states["done"] == 2
        encoder = workspace.app.context.components.encoder
        assert encoder.dimensions == 16
        # The version is that of the same files wherever they lie.
        assert encoder.component == type(encoder)(vectors).component


def test_a_model_that_is_no_encoder_says_so(tmp_path):
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "a").write_text("A")
    data = tmp_path / "data"
    with salient.open(data, nlp={"encoder": "hashing"}) as workspace:
        workspace.app.context.models.publish("other", tmp_path / "made")
    with pytest.raises(Misconfigured, match=r"lacks model\.safetensors"):
        salient.open(data, nlp={"encoder": "model:other"})
    with pytest.raises(NotFound, match="unknown"):
        salient.open(data, nlp={"encoder": "model:unknown"})


def test_weights_of_answering_change_under_a_running_app(tmp_path):
    shipped = answering.load()

    def weights(threshold):
        folder = tmp_path / f"weights-{threshold}"
        folder.mkdir()
        changed = type(shipped)(**{**_fields(shipped), "threshold": threshold})
        (folder / answering.WEIGHTS).write_bytes(changed.dump())
        return folder

    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").write_text(TEXT)
    data, question = tmp_path / "data", "Who bought Brightwater Ltd?"
    with salient.open(data, nlp={"encoder": "hashing"}) as workspace:
        workspace.app.context.models.publish("mine", weights(0.0))
    with salient.open(data, nlp={"encoder": "hashing"}, ask={"weights": "model:mine"}) as workspace:
        workspace.add(tmp_path / "in")
        assert workspace.ask(question).found
        context = workspace.app.context
        context.models.publish("mine", weights(1.1))
        current = context.weights.__self__
        current.check()
        assert not workspace.ask(question).found
        workspace.call("models.rollback", name="mine")
        current.check()
        assert workspace.ask(question).found


def _fields(model):
    return {name: getattr(model, name) for name in type(model).__slots__}


def test_the_command_line_publishes_pins_and_goes_back(tmp_path):
    data, made = tmp_path / "data", tmp_path / "made"
    made.mkdir()
    versions = []
    for content in "AB":
        (made / "a").write_text(content)
        done = run(data, "models", "publish", "one", made)
        assert done.returncode == 0, done.stderr
        versions.append(done.stdout.strip())
    assert versions[1][:12] in run(data, "models", "list").stdout
    assert versions[0][:12] in run(data, "models", "rollback", "one").stdout
    assert "pinned" in run(data, "models", "pin", "one", versions[1][:8]).stdout
    shown = run(data, "models", "show", "one").stdout
    assert versions[1] in shown
    assert [line.split()[1] for line in shown.splitlines()[-4:]] == ["pin", "rollback", "publish", "publish"]  # fmt: skip
    (made / "a").write_text("C")
    assert "pinned to" in run(data, "models", "publish", "one", made).stdout
    assert run(data, "models", "verify", "one").stdout == "all files are whole\n"
    assert "0 versions" in run(data, "models", "gc").stdout
    refused = run(data, "models", "rollback", "one")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "pinned" in refused.stderr


def test_the_command_line_says_what_is_damaged(tmp_path):
    data, made = tmp_path / "data", tmp_path / "made"
    made.mkdir()
    (made / "a").write_text("A")
    run(data, "models", "publish", "one", made)
    (blob,) = (data / "blobs" / "model" / "file").iterdir()
    blob.chmod(0o644)
    blob.write_text("X")
    told = run(data, "models", "verify", "one")
    assert (told.returncode, "--anew" in told.stdout) == (1, True)
    run(data, "models", "publish", "one", made, "--anew")
    assert run(data, "models", "verify", "one").returncode == 0
