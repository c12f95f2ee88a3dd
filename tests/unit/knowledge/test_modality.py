"""What makes a statement less than a fact, by the labels of Universal Dependencies and of spaCy alike."""

import pytest

from salient.knowledge.modality import modality
from tests.unit.knowledge.trees import tree_of

NOT_UD = """
Acme Acme PROPN NNP 4 nsubj
did do AUX VBD 4 aux
not not PART RB 4 advmod
buy buy VERB VB 0 root
Beta Beta PROPN NNP 4 obj
"""
NEVER_UD = """
Acme Acme PROPN NNP 3 nsubj
never never ADV RB 3 advmod
bought buy VERB VBD 0 root
Beta Beta PROPN NNP 3 obj
"""
NEG_SPACY = """
Acme Acme PROPN NNP 4 nsubj
did do AUX VBD 4 aux
n't not PART RB 4 neg
buy buy VERB VB 0 ROOT
Beta Beta PROPN NNP 4 dobj
"""
NO_UD = """
No no DET DT 2 det
company company NOUN NN 3 nsubj
bought buy VERB VBD 0 root
Beta Beta PROPN NNP 3 obj
"""
NO_ONE_UD = """
No no DET DT 2 det
one one NOUN NN 3 nsubj
bought buy VERB VBD 0 root
Beta Beta PROPN NNP 3 obj
"""
NOBODY_SPACY = """
Nobody nobody PRON NN 2 nsubj
bought buy VERB VBD 0 ROOT
Beta Beta PROPN NNP 2 dobj
"""
WITHOUT_UD = """
Acme Acme PROPN NNP 2 nsubj
grew grow VERB VBD 0 root
without without SCONJ IN 4 mark
buying buy VERB VBG 2 advcl
Beta Beta PROPN NNP 4 obj
"""
WITHOUT_SPACY = """
Acme Acme PROPN NNP 2 nsubj
grew grow VERB VBD 0 ROOT
without without ADP IN 2 prep
buying buy VERB VBG 3 pcomp
Beta Beta PROPN NNP 4 dobj
"""
FAILED_UD = """
Acme Acme PROPN NNP 2 nsubj
failed fail VERB VBD 0 root
to to PART TO 4 mark
buy buy VERB VB 2 xcomp
Beta Beta PROPN NNP 4 obj
"""
DENIED_UD = """
Acme Acme PROPN NNP 2 nsubj
denied deny VERB VBD 0 root
that that SCONJ IN 5 mark
it it PRON PRP 5 nsubj
bought buy VERB VBD 2 ccomp
Beta Beta PROPN NNP 5 obj
"""
DENIED_BUYING_UD = """
Acme Acme PROPN NNP 2 nsubj
denied deny VERB VBD 0 root
buying buy VERB VBG 2 xcomp
Beta Beta PROPN NNP 3 obj
"""
NEITHER_UD = """
Acme Acme PROPN NNP 5 nsubj
has have AUX VBZ 5 aux
no no ADV RB 4 advmod
longer long ADV RBR 5 advmod
bought buy VERB VBN 0 root
Beta Beta PROPN NNP 5 obj
"""
MAY_UD = """
Acme Acme PROPN NNP 3 nsubj
may may AUX MD 3 aux
buy buy VERB VB 0 root
Beta Beta PROPN NNP 3 obj
"""
PLANS_UD = """
Acme Acme PROPN NNP 2 nsubj
plans plan VERB VBZ 0 root
to to PART TO 4 mark
buy buy VERB VB 2 xcomp
Beta Beta PROPN NNP 4 obj
"""
IF_UD = """
If if SCONJ IN 3 mark
Acme Acme PROPN NNP 3 nsubj
buys buy VERB VBZ 6 advcl
Beta Beta PROPN NNP 3 obj
we we PRON PRP 6 nsubj
leave leave VERB VBP 0 root
"""
REPORTEDLY_UD = """
Acme Acme PROPN NNP 3 nsubj
reportedly reportedly ADV RB 3 advmod
bought buy VERB VBD 0 root
Beta Beta PROPN NNP 3 obj
"""
PLAIN_UD = """
Acme Acme PROPN NNP 2 nsubj
bought buy VERB VBD 0 root
Beta Beta PROPN NNP 2 obj
"""
NOT_ONLY_UD = """
Acme Acme PROPN NNP 4 nsubj
not not PART RB 3 advmod
only only ADV RB 4 advmod
bought buy VERB VBD 0 root
Beta Beta PROPN NNP 4 obj
"""
NOT_ONLY_SPACY = """
Acme Acme PROPN NNP 4 nsubj
not not PART RB 4 preconj
only only ADV RB 4 advmod
bought buy VERB VBD 0 ROOT
Beta Beta PROPN NNP 4 dobj
"""
DID_NOT_FAIL_UD = """
Acme Acme PROPN NNP 4 nsubj
did do AUX VBD 4 aux
not not PART RB 4 advmod
fail fail VERB VB 0 root
to to PART TO 6 mark
buy buy VERB VB 4 xcomp
Beta Beta PROPN NNP 6 obj
"""


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (NOT_UD, "negated"),
        (NEVER_UD, "negated"),
        (NEG_SPACY, "negated"),
        (NO_UD, "negated"),
        (NO_ONE_UD, "negated"),
        (NOBODY_SPACY, "negated"),
        (WITHOUT_UD, "negated"),
        (WITHOUT_SPACY, "negated"),
        (FAILED_UD, "negated"),
        (DENIED_UD, "negated"),
        (DENIED_BUYING_UD, "negated"),
        (NEITHER_UD, "negated"),
        (MAY_UD, "possible"),
        (PLANS_UD, "planned"),
        (IF_UD, "possible"),
        (REPORTEDLY_UD, "reported"),
        (PLAIN_UD, None),
        (NOT_ONLY_UD, None),
        (NOT_ONLY_SPACY, None),
    ],
)
def test_modality_is_read_from_either_kind_of_tree(rows, said):
    tree = tree_of(rows)
    row = next(r for r, lemma in enumerate(tree.lemma) if lemma == "buy")
    assert modality(tree, row) == said


def test_what_did_not_fail_is_no_plain_denial_of_a_failure():
    """ "did not fail to buy" says that Acme bought: at least it is not said that it did not."""
    tree = tree_of(DID_NOT_FAIL_UD)
    assert modality(tree, tree.word.index("buy")) is None
