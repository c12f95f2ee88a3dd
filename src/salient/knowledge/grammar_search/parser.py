"""Reads patterns; a mistake is told with its place and what could stand there."""

from __future__ import annotations

import json
import re
from typing import NoReturn, cast

from salient.errors import InvalidInput
from salient.knowledge.grammar_search import regexes, relations
from salient.knowledge.grammar_search.language import (
    ATTRIBUTES,
    FEATURE,
    FEATURE_VALUE,
    LABEL,
    UPOS,
    WORD,
    All,
    Anything,
    Arc,
    Attribute,
    Branch,
    Chain,
    Gap,
    Is,
    Need,
    Node,
    Not,
    OneOf,
    Relation,
    Step,
    Test,
)
from salient.nlp import LABELS

MAX_CHARACTERS = 2000
MAX_NODES = 12
MAX_DEPTH = 24
MAX_STEPS = 8
"""Longest way of one arc."""

_SPACE = re.compile(r"\s*")
_SLOT = re.compile(r"([a-z][a-z0-9_]{0,31}):(?!\s)")
_BRANCH = re.compile(r"(!?)\(\s*(?=-|<|\.\.)")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_REGEX = re.compile(r"/((?:[^/\\\n]|\\.)+)/")
_ENTITY = re.compile(r"\{([^{}]*)\}")
_RELATION = re.compile(r"[A-Za-z]+(?::[a-z]+)?")
_RANGE = re.compile(r"\*(\d+)(?:\.\.(\d+))?")
_NUMBER = re.compile(r"\d+")
_NODE = 'a word, "a form", a label such as ORG, *, [ ], ( ) or { }'


def parse(text: str) -> Chain:
    """Read a pattern.

    Raises:
        InvalidInput: it is none. Context: `position`, in code points, and `expected`.
    """
    if len(text) > MAX_CHARACTERS:
        raise InvalidInput(
            f"a pattern has at most {MAX_CHARACTERS} characters", position=MAX_CHARACTERS
        )
    return _Parser(text).run()


class _Parser:
    """Recursive descent; `at` is the place of the next character that is not white space."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.depth = 0
        self.nodes = 0
        self.names: set[str] = set()
        self._skip()

    def run(self) -> Chain:
        chain = self._chain()
        if self.at < len(self.text):
            self._fail("a step, a branch or the end")
        return chain

    # ---- chains

    def _chain(self) -> Chain:
        node, rest = self._node(), []
        while self.at < len(self.text) and self.text[self.at] != ")":
            step = self._step() or Gap(0)
            rest.append((step, self._node()))
        return Chain(node, tuple(rest))

    def _node(self) -> Node:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            self._refuse(f"a pattern has at most {MAX_NODES} nodes")
        name = None
        if found := _SLOT.match(self.text, self.at):
            name = found.group(1)
            if name in self.names:
                self._refuse(f"two nodes are called {name!r}")
            self.names.add(name)
            self._go(found.end())
        test = self._test()
        branches = []
        while found := _BRANCH.match(self.text, self.at):
            branches.append(self._branch(found))
        return Node(test, name, tuple(branches))

    def _branch(self, found: re.Match[str]) -> Branch:
        begun = self.at
        self._enter()
        self._go(found.end())
        step = self._step()
        if step is None:
            self._fail("a step")
        chain = self._chain()
        self._take(")")
        need: Need = "with"
        if found.group(1):
            need = "without"
        elif self._sees("?"):
            self._go(self.at + 1)
            need = "maybe"
        if need == "without" and chain.slots:
            self.at = begun
            self._refuse("what must not be there cannot fill a slot")
        self.depth -= 1
        return Branch(need, step, chain)

    # ---- steps

    def _step(self) -> Step | None:
        if self._sees(".."):
            self._go(self.at + 2)
            if found := _NUMBER.match(self.text, self.at):
                most = self._number(found, 0, 200)
                self._go(found.end())
                return Gap(most)
            return Gap(None)
        if self._sees("<"):
            self._go(self.at + 1)
            if self._sees("--"):
                self._go(self.at + 2)
                return Arc(down=False)
            arc = self._arc(down=False)
            self._take("-")
            return arc
        if self._sees("-"):
            if self._sees("-->"):
                self._go(self.at + 3)
                return Arc(down=True)
            self._go(self.at + 1)
            arc = self._arc(down=True)
            self._take("->")
            return arc
        return None

    def _arc(self, *, down: bool) -> Arc:
        found = []
        if not self._sees("*") and not self._sees("-"):
            found.append(self._relation())
            while self._sees("|"):
                self._go(self.at + 1)
                found.append(self._relation())
        least = most = 1
        if self._sees("*"):
            span = _RANGE.match(self.text, self.at)
            if span is None:
                self._fail("* with a number of steps, such as *2 or *0..2")
            most = self._number(span, 1, MAX_STEPS)
            if span.group(2) is not None:
                least, most = self._number(span, 1, MAX_STEPS), self._number(span, 2, MAX_STEPS)
            if most < max(least, 1):
                self._refuse("a way has at least one step, and not less than its least")
            self._go(span.end())
        return Arc(down, tuple(found), least, most)

    def _relation(self) -> Relation:
        found = _RELATION.match(self.text, self.at)
        if found is None:
            self._fail("a relation such as nsubj, obj or obl[in]")
        try:
            name = relations.canonical(found.group())
        except InvalidInput as error:
            self._refuse(error.message)
        self._go(found.end())
        if not self._sees("["):
            return Relation(name)
        if name.partition(":")[0] not in relations.BY_CASE:
            self._refuse(f"{name} has no preposition; {', '.join(sorted(relations.BY_CASE))} have")
        self._go(self.at + 1)
        cases = [self._case()]
        while self._sees("|"):
            self._go(self.at + 1)
            cases.append(self._case())
        self._take("]")
        return Relation(name, tuple(cases))

    def _case(self) -> str:
        found = WORD.match(self.text, self.at)
        if found is None:
            self._fail("a preposition")
        self._go(found.end())
        return found.group().lower()

    # ---- tests

    def _test(self) -> Test:
        """What a node is, outside of brackets."""
        self._enter()
        test = self._unguarded_test()
        self.depth -= 1
        return test

    def _unguarded_test(self) -> Test:
        if self._sees("!"):
            self._go(self.at + 1)
            return Not(self._test())
        if self._sees("*"):
            self._go(self.at + 1)
            return Anything()
        if self._sees("("):
            return self._alternatives()
        if self._sees("["):
            self._go(self.at + 1)
            test = self._either()
            self._take("]")
            return test
        if self._sees("{"):
            return Is("entity", self._entity())
        if self._sees('"'):
            return Is("form", self._form())
        if found := LABEL.match(self.text, self.at):
            label = found.group()
            if label not in LABELS:
                self._refuse(
                    f"no mention is labelled {label}; for the word, write [lemma={label}]",
                    LABELS,
                )
            self._go(found.end())
            return Is("label", label)
        return Is("lemma", self._word(_NODE))

    def _alternatives(self) -> Test:
        self._go(self.at + 1)
        tests = [self._test()]
        while self._sees("|"):
            self._go(self.at + 1)
            tests.append(self._test())
        self._take(")")
        return tests[0] if len(tests) == 1 else OneOf(tuple(tests))

    def _either(self) -> Test:
        self._enter()
        tests = [self._both()]
        while self._sees("|"):
            self._go(self.at + 1)
            tests.append(self._both())
        self.depth -= 1
        return tests[0] if len(tests) == 1 else OneOf(tuple(tests))

    def _both(self) -> Test:
        tests = [self._single()]
        while self._sees("&"):
            self._go(self.at + 1)
            tests.append(self._single())
        return tests[0] if len(tests) == 1 else All(tuple(tests))

    def _single(self) -> Test:
        self._enter()
        test = self._unguarded_single()
        self.depth -= 1
        return test

    def _unguarded_single(self) -> Test:
        if self._sees("!"):
            self._go(self.at + 1)
            return Not(self._single())
        if self._sees("("):
            self._go(self.at + 1)
            test = self._either()
            self._take(")")
            return test
        return self._comparison()

    def _comparison(self) -> Test:
        if feature := FEATURE.match(self.text, self.at):
            return self._feature(feature)
        found = WORD.match(self.text, self.at)
        if found is None or found.group() not in ATTRIBUTES:
            self._fail(f"one of {', '.join(ATTRIBUTES)}, or a feature such as Tense=Past")
        attribute = cast("Attribute", found.group())
        self._go(found.end())
        denied = self._sees("!=")
        self._take("!=" if denied else "=")
        test = self._value(attribute)
        return Not(test) if denied else test

    def _feature(self, name: re.Match[str]) -> Test:
        self._go(name.end())
        denied = self._sees("!=")
        self._take("!=" if denied else "=")
        value = FEATURE_VALUE.match(self.text, self.at)
        if value is None:
            self._fail("a feature's value, such as Past")
        self._go(value.end())
        test = Is("feats", f"{name.group()}={value.group()}")
        return Not(test) if denied else test

    def _value(self, attribute: Attribute) -> Is:
        begun = self.at
        if found := _REGEX.match(self.text, self.at):
            source = found.group(1)
            if attribute in {"entity", "dep"}:
                self._refuse(f"{attribute} takes no expression")
            try:
                regexes.compiled(source, ignore_case=True)
            except InvalidInput as error:
                self.at += 1 + int(error.context.get("position", 0))
                self._refuse(error.message)
            self._go(found.end())
            return Is(attribute, source, regex=True)
        value = self._form() if self._sees('"') else self._relation_or_word(attribute)
        if attribute == "dep":
            try:
                value = relations.canonical(value)
            except InvalidInput as error:
                self.at = begun
                self._refuse(error.message)
        if attribute == "upos" and value not in UPOS:
            self.at = begun
            self._refuse(f"there is no part of speech {value!r}", tuple(sorted(UPOS)))
        if attribute == "entity" and not value.strip():
            self.at = begun
            self._fail("a name")
        return Is(attribute, value)

    def _relation_or_word(self, attribute: Attribute) -> str:
        if attribute == "dep" and (found := _RELATION.match(self.text, self.at)):
            self._go(found.end())
            return found.group()
        return self._word('a word, "a string" or /an expression/')

    # ---- pieces

    def _word(self, expected: str) -> str:
        found = WORD.match(self.text, self.at)
        if found is None:
            self._fail(expected)
        self._go(found.end())
        return found.group()

    def _form(self) -> str:
        begun = self.at
        found = _STRING.match(self.text, self.at)
        if found is None:
            self._fail('a closing "')
        try:
            value = json.loads(found.group())
        except ValueError:
            self._refuse('a string is written as in JSON: \\" and \\\\ for those signs')
        self._go(found.end())
        if not value or len(value) > regexes.MAX_WORD:
            self.at = begun
            self._refuse(f"a word has 1 to {regexes.MAX_WORD} characters")
        return str(value)

    def _entity(self) -> str:
        found = _ENTITY.match(self.text, self.at)
        if found is None:
            self._fail("a closing }")
        name = found.group(1).strip()
        if not name:
            self._fail("a name between { and }")
        self._go(found.end())
        return name

    def _number(self, found: re.Match[str], group: int, most: int) -> int:
        digits = found.group(group)
        if len(digits) > 4 or int(digits) > most:
            self._refuse(f"at most {most}")
        return int(digits)

    def _sees(self, mark: str) -> bool:
        return self.text.startswith(mark, self.at)

    def _take(self, mark: str) -> None:
        if not self._sees(mark):
            self._fail(repr(mark))
        self._go(self.at + len(mark))

    def _go(self, to: int) -> None:
        self.at = to
        self._skip()

    def _skip(self) -> None:
        found = _SPACE.match(self.text, self.at)
        self.at = found.end() if found else self.at

    def _enter(self) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self._refuse(f"a pattern is nested at most {MAX_DEPTH} deep")

    def _fail(self, expected: str) -> NoReturn:
        here = self.text[self.at : self.at + 12]
        self._refuse(
            f"expected {expected}, found {here!r}"
            if here
            else f"expected {expected}, found the end",
            (expected,),
        )

    def _refuse(self, why: str, expected: tuple[str, ...] = ()) -> NoReturn:
        raise InvalidInput(
            f"pattern, at character {self.at + 1}: {why}",
            position=self.at,
            expected=list(expected),
        )
