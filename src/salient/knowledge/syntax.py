"""Questions to ask of a dependency tree: who does it, to whom, with which prepositions.

Answers are the same for the labels of spaCy's English models (`dobj`, `nsubjpass`, `prep` + `pobj`)
and for Universal Dependencies (`obj`, `nsubj:pass`, `obl` + `case`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from salient.model import Annotations

SUBJECT = frozenset({"nsubj", "csubj", "nsubj:outer"})
PASSIVE_SUBJECT = frozenset({"nsubjpass", "nsubj:pass", "csubjpass", "csubj:pass"})
OBJECT = frozenset({"dobj", "obj", "iobj", "dative"})
POSSESSIVE = frozenset({"poss", "nmod:poss"})
COMPOUND = frozenset({"compound", "nmod", "amod", "flat", "nn", "npadvmod", "nmod:desc"})
APPOSITION = frozenset({"appos", "flat"})
CLAUSE_OF_NOUN = frozenset({"relcl", "acl:relcl"})
PARTICIPLE = frozenset({"acl", "vmod"})
RELATIVE = frozenset({"which", "that", "who", "whom", "whose"})
_CONTROLLED = frozenset({"xcomp", "advcl"})


class Tree:
    """The tokens of a text as lists, with their trees. Token numbers are rows of `Annotations.tokens`."""

    def __init__(self, annotations: Annotations, text: str) -> None:
        tokens, strings = annotations.tokens, annotations.strings
        self.start: list[int] = tokens.start.tolist()
        self.end: list[int] = tokens.end.tolist()
        self.word = [text[s:e].lower() for s, e in zip(self.start, self.end, strict=True)]
        lemmas = [strings[c].lower() for c in tokens.lemma.tolist()]
        self.lemma = [x or w for x, w in zip(lemmas, self.word, strict=True)]
        self.upos = [strings[c] for c in tokens.upos.tolist()]
        self.xpos = [strings[c] for c in tokens.xpos.tolist()]
        self.deprel = [strings[c] for c in tokens.deprel.tolist()]
        self.head: list[int] = tokens.head.tolist()
        self.sentences: list[list[int]] = annotations.sentences().tolist()
        self.children: list[list[int]] = [[] for _ in self.head]
        for row, head in enumerate(self.head):
            if head != row and 0 <= head < len(self.head):
                self.children[head].append(row)

    def with_label(self, token: int, labels: frozenset[str]) -> list[int]:
        return [c for c in self.children[token] if self.deprel[c] in labels]

    def with_prepositions(
        self, token: int, prepositions: Sequence[str] | None = None
    ) -> Iterator[tuple[str, int]]:
        """Each (preposition, its noun) under a verb or noun; all of them for None."""
        for child in self.children[token]:
            label = self.deprel[child]
            if label in {"prep", "agent", "dative"} and self.upos[child] in {
                "ADP",
                "SCONJ",
                "PART",
                "VERB",
                "ADV",
            }:
                yield from self._under_preposition(child, self.word[child], prepositions)
            elif label.startswith(("obl", "nmod")):
                for case in self.children[child]:
                    if self.deprel[case] == "case" and self._wanted(self.word[case], prepositions):
                        yield self.word[case], child

    def _under_preposition(
        self, row: int, word: str, prepositions: Sequence[str] | None
    ) -> Iterator[tuple[str, int]]:
        for grandchild in self.children[row]:
            if self.deprel[grandchild] in {"pobj", "obj"}:
                if self._wanted(word, prepositions):
                    yield word, grandchild
            elif self.deprel[grandchild] == "prep":  # "out of", "along with"
                for pair in self._under_preposition(grandchild, self.word[grandchild], None):
                    if self._wanted(pair[0], prepositions) or self._wanted(
                        f"{word} {pair[0]}", prepositions
                    ):
                        yield pair
        if self.deprel[row] == "prep":  # "at and for": the noun hangs under the second
            for other in self.children[row]:
                if self.deprel[other] == "conj" and self.upos[other] == "ADP":
                    yield from self._under_preposition(other, self.word[other], prepositions)

    @staticmethod
    def _wanted(word: str, prepositions: Sequence[str] | None) -> bool:
        return prepositions is None or word in prepositions

    def conjuncts(self, token: int) -> list[int]:
        """The token and all that are coordinated under it, in text order."""
        found = [token]
        for row in found:
            found.extend(c for c in self.children[row] if self.deprel[c] == "conj")
        return sorted(found)

    def is_passive(self, verb: int) -> bool:
        for child in self.children[verb]:
            if self.deprel[child] in PASSIVE_SUBJECT or self.deprel[child] in {
                "auxpass",
                "aux:pass",
            }:
                return True
            if self.deprel[child] in SUBJECT or self.deprel[child] in {"dobj", "obj"}:
                return False
        if self.deprel[verb] == "acomp":
            return self.word[verb].endswith("ed")
        if self.xpos[verb] != "VBN" or any(
            self.lemma[c] == "have" for c in self.with_label(verb, frozenset({"aux"}))
        ):
            return False
        if self.deprel[verb] in PARTICIPLE or self.deprel[verb] in {
            "amod",
            "advcl",
            "ROOT",
            "root",
        }:
            return True
        if self.deprel[verb] == "conj" and self.head[verb] != verb:
            return self.is_passive(self.head[verb])
        return False

    def subjects(self, verb: int, depth: int = 0) -> list[int]:
        """Who does it, or for a passive, to whom it is done: also when said in a clause above."""
        own = self.with_label(verb, SUBJECT | PASSIVE_SUBJECT)
        head, label = self.head[verb], self.deprel[verb]
        if own:
            if self.word[own[0]] in RELATIVE and label in CLAUSE_OF_NOUN and head != verb:
                return [head]
            return own
        if depth > 3 or head == verb:
            return []
        if label in CLAUSE_OF_NOUN | PARTICIPLE:
            return [head] if self.upos[head] in {"NOUN", "PROPN", "PRON", "X"} else []
        if label == "conj" and self.upos[head] in {"VERB", "AUX"}:
            return self.subjects(head, depth + 1)
        if label == "advcl" and self.upos[head] in {"PROPN", "NOUN"} and self.head[head] == head:
            return [head]  # a headline: "Acme to buy Beta"
        if label == "acomp":
            return self.subjects(head, depth + 1)
        if label in _CONTROLLED and self.upos[head] in {"VERB", "AUX", "ADJ"}:
            return self.subjects(head, depth + 1)
        if label in {"pcomp", "ccomp"} and self.xpos[verb] == "VBG":
            above = head if self.upos[head] == "VERB" else self.head[head]
            return self.subjects(above, depth + 1) if self.upos[above] in {"VERB", "AUX"} else []
        return []

    def roles_of(self, verb: int) -> tuple[list[int], list[int]]:
        """The doers and the done-to of a verb, whichever voice it is in."""
        subjects = self.subjects(verb)
        if self.is_passive(verb):
            return [noun for _, noun in self.with_prepositions(verb, ("by",))], subjects
        objects = [c for c in self.with_label(verb, OBJECT) if self.upos[c] != "ADP"]
        head = self.head[verb]
        if self.deprel[verb] in CLAUSE_OF_NOUN and head != verb and subjects != [head]:
            # "Beta, which Acme acquired": the gap is the object.
            objects = [o for o in objects if self.word[o] not in RELATIVE] or [head]
        elif not objects and self.deprel[verb] == "conj" and head != verb:
            pass  # "Acme bought and sold Beta" is too often "Acme grew and sold"
        elif not objects:
            for other in self.children[verb]:  # "acquired and merged Beta"
                if (
                    self.deprel[other] == "conj"
                    and self.upos[other] == "VERB"
                    and self.start[other] - self.end[verb] <= 8
                ):
                    objects = self.with_label(other, frozenset({"dobj", "obj"}))
        return subjects, objects

    def subtree(self, token: int, limit: int = 200) -> list[int]:
        found = [token]
        for row in found:
            if len(found) > limit:
                break
            found.extend(self.children[row])
        return found
