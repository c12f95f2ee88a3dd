"""Relations under one name, whichever scheme an engine's trees follow.

Names are those of Universal Dependencies. spaCy's English models speak another dialect; `UD` says what
its labels mean. Where the trees differ in shape too, `trees` turns them.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from salient.errors import InvalidInput

UD = {
    "ROOT": "root", "nsubjpass": "nsubj:pass", "csubjpass": "csubj:pass", "dobj": "obj", "dative": "iobj",
    "auxpass": "aux:pass", "relcl": "acl:relcl", "vmod": "acl", "poss": "nmod:poss", "possessive": "case",
    "neg": "advmod:neg", "prt": "compound:prt", "nn": "compound", "npadvmod": "obl:unmarked",
    "obl:npmod": "obl:unmarked", "nmod:npmod": "nmod:unmarked", "quantmod": "advmod", "num": "nummod", "intj": "discourse",
    "preconj": "cc:preconj", "predet": "det:predet", "attr": "xcomp", "acomp": "xcomp", "oprd": "xcomp",
    "prep": "case", "agent": "case", "pobj": "obl", "pcomp": "advcl", "": "dep", "meta": "dep",
}  # fmt: skip

_NAMES = frozenset(
    "acl advcl advmod amod appos aux case cc ccomp clf compound conj cop csubj dep det discourse dislocated expl fixed"
    " flat goeswith iobj list mark nmod nsubj nummod obj obl orphan parataxis punct reparandum root vocative"
    " xcomp".split()
)
# A passive's subject is done to: who asks for subjects does not mean it.
_APART = frozenset({"nsubj:pass", "csubj:pass", "aux:pass", "compound:prt"})
_OTHER_NAMES = {
    "poss": "nmod:poss",
    "neg": "advmod:neg",
    "prt": "compound:prt",
    "agent": "obl:agent",
    "relcl": "acl:relcl",
    "dobj": "obj",
    "nsubjpass": "nsubj:pass",
    "auxpass": "aux:pass",
    "obl:npmod": "obl:unmarked",
}
BY_CASE = frozenset({"obl", "nmod", "advcl", "acl"})


def canonical(name: str) -> str:
    """The name of a relation in patterns.

    Raises:
        InvalidInput: there is no such relation.
    """
    found = _OTHER_NAMES.get(name, name)
    if found.partition(":")[0] in _NAMES:
        return found
    near = get_close_matches(name, [*_NAMES, *_OTHER_NAMES], 1)
    hint = f": did you mean {near[0]!r}?" if near else ""
    raise InvalidInput(f"there is no relation {name!r}{hint}")


def covered(wanted: str, names: Iterable[str]) -> list[bool]:
    """Which of `names`, as trees have them, a relation of a pattern means: itself and its subtypes."""
    inner = wanted + ":"
    return [n == wanted or (n.startswith(inner) and n not in _APART) for n in names]
