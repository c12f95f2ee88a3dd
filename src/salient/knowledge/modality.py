"""Whether a sentence states a fact, or denies, plans, supposes or reports one."""

from __future__ import annotations

from salient.knowledge.syntax import OBJECT, PASSIVE_SUBJECT, SUBJECT, Tree

_PLANNED = frozenset({"plan", "intend", "seek", "want", "hope", "aim", "expect", "look", "propose", "consider", "offer", "try", "attempt", "prepare", "explore", "negotiate", "bid", "discuss", "wish", "threaten", "set", "poise", "talk", "move", "eye"})  # fmt: skip
_DENIED = frozenset({"deny", "refute", "dispute", "reject", "fail", "decline", "refuse", "abandon", "cancel", "scrap", "drop", "block", "withdraw", "terminate", "halt", "prevent", "stop", "avoid", "cease"})  # fmt: skip
_HEARSAY = frozenset({"reportedly", "allegedly", "rumor", "rumour", "allege", "speculate", "apparently", "supposedly", "claim"})  # fmt: skip
_NOBODY = frozenset({"nothing", "nobody", "none", "neither"})
_POSSIBLE = frozenset({"may", "might", "could", "would", "can", "should"})

DISCOUNT = {
    "negated": 0.4,
    "planned": 0.75,
    "possible": 0.6,
    "reported": 0.8,
    "agreed": 0.95,
    "obliged": 0.9,
}
"""What each takes from a statement's confidence."""


def modality(tree: Tree, row: int) -> str | None:
    """Look up from a trigger for what makes its statement less than a fact.

    Returns:
        None for a plain statement, else a key of DISCOUNT.
    """
    verb = row
    for _ in range(4):
        said = _of_auxiliaries(tree, verb)
        if said is not None:
            return said
        head = tree.head[verb]
        if head == verb:
            break
        said = _of_governor(tree, verb)
        if said == "negated" and _of_auxiliaries(tree, head) == "negated":
            return None  # "did not fail to buy"
        if said is not None:
            return said
        if not _passes_up(tree, verb):
            break
        verb = head
    if _is_infinitive(tree, row) and tree.deprel[row] in {"ROOT", "root", "relcl", "acl"}:
        return "planned"  # headlines: "Acme to buy Beta"
    return None


def _of_auxiliaries(tree: Tree, verb: int) -> str | None:
    said: str | None = None
    for child in tree.children[verb]:
        word, label = tree.lemma[child], tree.deprel[child]
        if label == "neg" or (label == "advmod" and word in {"not", "never", "n't"}):
            return "negated"
        if label in SUBJECT | PASSIVE_SUBJECT | OBJECT and (
            word in _NOBODY or _has(tree, child, "no", "det")
        ):
            return "negated"
        if word == "without" and label == "mark":
            return "negated"
        if tree.word[child] == "longer" and label == "advmod" and tree.word[child - 1] == "no":
            return "negated"
        if label in {"aux", "auxpass", "aux:pass"}:
            if word in _POSSIBLE:
                said = "possible"
            elif word in {"will", "'ll"}:
                said = said or "planned"
            elif word == "shall":
                said = said or "obliged"
        elif label == "mark" and word in {"if", "whether", "unless"}:
            said = "possible"
        elif label == "advmod" and word in _HEARSAY:
            said = "reported"
    return said


def _has(tree: Tree, row: int, word: str, label: str) -> bool:
    return any(tree.word[c] == word and tree.deprel[c] == label for c in tree.children[row])


def _of_governor(tree: Tree, verb: int) -> str | None:
    """What the verb or noun above says: "plans to", "denied that", "its offer to"."""
    label = tree.deprel[verb]
    infinitive = _is_infinitive(tree, verb)
    if label == "pcomp" and tree.word[tree.head[verb]] == "without":
        return "negated"
    if label == "xcomp" and tree.xpos[verb] == "VBG" and tree.lemma[tree.head[verb]] in _DENIED:
        return "negated"  # "denied buying"
    complement = label in {"ccomp", "dobj", "obj", "pcomp"}
    if not (complement or (infinitive and label in {"xcomp", "acl", "advcl", "relcl"})):
        return None
    lemma = tree.lemma[tree.head[verb]]
    if lemma in _DENIED:
        return "negated"
    if lemma in _HEARSAY:
        return "reported"
    if infinitive and (lemma in _PLANNED or label in {"acl", "relcl"}):
        return "planned"
    if infinitive and lemma in {"agree", "decide", "commit"}:
        return "agreed"
    return None


def _passes_up(tree: Tree, verb: int) -> bool:
    label = tree.deprel[verb]
    if label == "conj" and tree.with_label(verb, SUBJECT | PASSIVE_SUBJECT):
        return False
    upwards = {"xcomp", "ccomp", "pcomp", "conj", "acl", "prep", "pobj"}
    return label in upwards and tree.upos[tree.head[verb]] in {"VERB", "AUX", "ADP", "NOUN"}


def _is_infinitive(tree: Tree, verb: int) -> bool:
    return any(
        tree.word[c] == "to" and tree.deprel[c] in {"aux", "mark"} for c in tree.children[verb]
    )
