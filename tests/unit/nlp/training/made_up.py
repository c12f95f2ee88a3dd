"""A treebank of a few sentences, made up here."""

import lzma
from pathlib import Path

from salient.nlp.training import conllu, data, entities
from salient.nlp.training.data import Builder, Gold, Labels, Types

# form lemma upos xpos feats head relation name
_ANNA = "Anna Anna PROPN NNP Number=Sing 2 nsubj B-PER"
_SENTENCES = [
    [_ANNA, "sees see VERB VBZ Tense=Pres 0 root O", "Halden Halden PROPN NNP Number=Sing 2 obj B-LOC",
     ". . PUNCT . _ 2 punct O"],
    ["Cats cat NOUN NNS Number=Plur 2 nsubj O", "sleep sleep VERB VBP Tense=Pres 0 root O",
     ". . PUNCT . _ 2 punct O"],
    [_ANNA, "walked walk VERB VBD Tense=Past 0 root O", "home home ADV RB _ 2 advmod O",
     ". . PUNCT . _ 2 punct O"],
    ["The the DET DT Definite=Def 3 det O", "Kestrel Kestrel PROPN NNP Number=Sing 3 compound B-ORG",
     "Group Group PROPN NNP Number=Sing 4 nsubj I-ORG", "bought buy VERB VBD Tense=Past 0 root O",
     "two two NUM CD NumType=Card 6 nummod O", "ships ship NOUN NNS Number=Plur 4 obj O",
     ". . PUNCT . _ 4 punct O"],
    ["We we PRON PRP Person=1 4 nsubj O", "do do AUX VBP _ 4 aux O", "n't not PART RB _ 4 advmod O",
     "know know VERB VB _ 0 root O", "her she PRON PRP Case=Acc 4 obj O", "! ! PUNCT . _ 4 punct O"],
]  # fmt: skip


def treebank(copies: int = 1) -> str:
    """The sentences as CoNLL-U, a document for each copy."""
    out: list[str] = []
    for copy in range(copies):
        out.append(f"# newdoc id = d{copy}")
        for at, sentence in enumerate(_SENTENCES):
            out.append(f"# sent_id = d{copy}-{at}")
            for number, row in enumerate(sentence, 1):
                form, lemma, upos, xpos, feats, head, relation, _ = row.split()
                if form == "do":
                    out.append(f"{number}-{number + 1}\tdon't" + "\t_" * 8)
                misc = "SpaceAfter=No" if number == len(sentence) - 1 else "_"
                out.append(
                    "\t".join(
                        [str(number), form, lemma, upos, xpos, feats, head, relation, "_", misc]
                    )
                )
            out.append("")
    return "\n".join(out) + "\n"


def names(copies: int = 1) -> dict[str, entities.Tagged]:
    tagged = {}
    for copy in range(copies):
        for at, sentence in enumerate(_SENTENCES):
            forms = tuple(row.split()[0] for row in sentence)
            spans = tuple(entities.bio_spans([row.split()[-1] for row in sentence]))
            allowed = tuple(entities.UNER.allowed(len(forms), spans))
            tagged[f"d{copy}-{at}"] = entities.Tagged(f"d{copy}-{at}", forms, allowed, spans)
    return tagged


def gold(folder: Path, copies: int = 4) -> Gold:
    """The same sentences to train on and to choose by."""
    file = folder / "made_up.conllu"
    file.write_text(treebank(copies), encoding="utf-8")
    documents = conllu.read(file)
    labels, types = Labels.learn(documents), Types()
    builder = Builder(types, labels)
    for document in documents:
        builder.treebank(document, names(copies))
    columns = builder.columns()
    return Gold(labels, types, columns, {"ewt": columns}, {})


COPIES = 40
"""Of the sentences in each file of `data_folder`; two documents of a training file are held out."""


def data_folder(root: Path) -> Path:
    """The project's data folder, with a few sentences in each file."""

    def put(name: str, text: str) -> None:
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(lzma.compress(text.encode()) if name.endswith(".xz") else text.encode())

    for part in ("train", "dev"):
        put(f"ud/ewt/en_ewt-ud-{part}.conllu.xz", treebank(COPIES))
        put(f"ud/gum/gum-{part}.conllu.xz", treebank(COPIES))
        put(f"ner/uner_ewt/en_ewt-ud-{part}.iob2.xz", _uner(COPIES))
    for source, (name, corpus) in data.NAMES.items():
        label = "Person" if source == "re3d" else "person" if source == "wnut17" else "PER"
        between = "" if corpus.alone else "-DOCSTART- O\n\n"
        put(name, f"{between}Anna B-{label}\nrests O\n\n" * COPIES)
    put("ner/wnut17/wnut17-dev.conll", "Anna B-person\nrests O\n\n")
    return root


def _uner(copies: int) -> str:
    out: list[str] = []
    for name, tagged in names(copies).items():
        tags = ["O"] * len(tagged.forms)
        for start, end, label in tagged.spans:
            tags[start:end] = [f"B-{label}", *[f"I-{label}"] * (end - start - 1)]
        rows = zip(tagged.forms, tags, strict=True)
        lines = [f"{at}\t{form}\t{tag}\t-\t-" for at, (form, tag) in enumerate(rows, 1)]
        out += [f"# sent_id = {name}", *lines, ""]
    return "\n".join(out)
