"""How entries and questions are put to Sphinx and Manticore: columns, tokens, MATCH and WHERE.

All that is sent is ASCII of our own making: numbers, hashes, base64. Terms that are not plain, or longer
than the 42 characters that Sphinx can tell apart, are hashed. Keywords are hashes too; a table beside
the entries says what they stand for.
"""

# ruff: noqa: S608 # statements are made of numbers, hashes and base64 of our own
from __future__ import annotations

import base64
import json
import re
import struct
import zlib
from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from salient.errors import InvalidInput, LimitExceeded, Unavailable
from salient.storage.search import (
    Among,
    Asked,
    Between,
    Condition,
    Either,
    IndexSchema,
    Prefix,
    Prepared,
    Restriction,
    Snapshot,
    Words,
)
from salient.storage.search.generations import ALIVE, View, chunks
from salient.storage.search.query import Clause, Node

Row: TypeAlias = tuple[Any, ...]
Run: TypeAlias = Callable[[str], list[Row]]

_PLAIN = re.compile(r"[a-z0-9]{1,36}")
_LONGEST_WORD = 38  # characters of an encoded word that are looked at; a letter goes before it
_K1, _B = 1.2, 0.75
_SCALE = 1_000_000  # weights are whole numbers
_MOST_VALUES = 1_000_000  # distinct values that facets can count exactly
_SIGN = 2**63 - 1
VALUE_BYTES = 32  # that a value of a filter takes in a statement, with room for the rest
_PAGE = 1000
_EVERY = "(@c _all)"


class Columns:
    """A schema as columns. They are numbered by kind of use and field, so that any name is harmless.

    f0 terms · w0 words, for prefixes · v0 value to compare · x0 whether there is one · k0 hashes of
    keywords · s0, z0 first and last keyword, to sort · y0 year · c tokens of what is no text
    """

    def __init__(self, schema: IndexSchema) -> None:
        self.schema = schema
        self.kinds = schema.kinds
        self.numbers = {f.name: number for number, f in enumerate(schema.fields)}
        self.text = [(n, f.boost) for n, f in enumerate(schema.fields) if f.kind == "text"]
        self.fields = [f"{letter}{n}" for n, _ in self.text for letter in "fw"] + ["c"]
        self.attributes: dict[str, str] = {
            "born": "uint", "died": "uint", "keyhash": "bigint", "grouphash": "bigint",
            "keyname": "string", "groupname": "string", "stored": "string",
        }  # fmt: skip
        for name, n in self.numbers.items():
            match self.kinds[name]:
                case "keyword":
                    self.attributes |= {f"k{n}": "multi_64", f"s{n}": "string", f"z{n}": "string"}
                case "number" | "date":
                    self.attributes[f"v{n}"] = "bigint"
                case _:
                    continue
            self.attributes[f"x{n}"] = "uint"
            if self.kinds[name] == "date":
                self.attributes[f"y{n}"] = "uint"

    def number(self, name: str) -> int:
        return self.numbers[name]

    def row(self, entry: Prepared, ident: int, born: int) -> dict[str, str]:
        """An entry as columns with their values as SphinxQL."""
        row = dict.fromkeys(self.fields, "''")
        for column, kind in self.attributes.items():
            row[column] = {"string": "''", "multi_64": "()"}.get(kind, "0")
        stored = base64.b64encode(zlib.compress(entry.stored, 1)).decode()
        row |= {
            "id": str(ident), "born": str(born), "died": str(ALIVE), "stored": f"'{stored}'",
            "keyhash": str(hashed(entry.key)), "keyname": f"'{named(entry.key)}'",
            "grouphash": str(hashed(entry.group)), "groupname": f"'{named(entry.group)}'",
        }  # fmt: skip
        tokens = ["_all"]
        for name, terms in entry.terms.items():
            n = self.numbers[name]
            row[f"f{n}"] = f"'{' '.join(map(term_token, terms))}'"
            words = {token for word in entry.words[name] for token in word_tokens(word)}
            row[f"w{n}"] = f"'{' '.join(words)}'"
        for name, keywords in entry.keywords.items():
            if not keywords:
                continue
            n = self.numbers[name]
            hashes = [hashed(keyword, n) for keyword in keywords]
            tokens += [f"k{one}" for one in hashes]
            sorts = sorted(sortable(keyword) for keyword in keywords)
            row |= {
                f"k{n}": f"({','.join(map(str, hashes))})", f"x{n}": "1",
                f"s{n}": f"'{sorts[0]}'", f"z{n}": f"'{sorts[-1]}'",
            }  # fmt: skip
        for name, number in entry.numbers.items():
            n = self.numbers[name]
            row |= {f"v{n}": str(ordinal(number)), f"x{n}": "1"}
            tokens.append(f"n{n}_{digits(ordinal(number))}")
        for name, second in entry.dates.items():
            n = self.numbers[name]
            day = str(np.datetime64(second, "s").astype("datetime64[D]"))
            row |= {f"v{n}": str(second), f"x{n}": "1", f"y{n}": day[:4]}
            tokens += [f"d{n}_{day[:4]}", f"d{n}_{day[:7].replace('-', '')}"]
            tokens += [f"d{n}_{day.replace('-', '')}", f"n{n}_{digits(second)}"]
        row["c"] = f"'{' '.join(tokens)}'"
        return row

    def values(self, entry: Prepared) -> dict[int, tuple[int, str]]:
        """The entry's keywords by hash, with the numbers of their fields."""
        return {
            hashed(keyword, self.numbers[name]): (self.numbers[name], keyword)
            for name, keywords in entry.keywords.items()
            for keyword in keywords
        }


def hashed(text: str, field: int = -1) -> int:
    """63 bits of a key, a group or a field's keyword: over millions, two alike are not to be expected."""
    digest = blake2b(f"{field}:{text}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1 or 1


def named(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def sortable(text: str) -> str:
    """Plain characters in the order of the text's bytes."""
    return base64.b32hexencode(text.encode()).decode().rstrip("=")


def ordinal(number: float) -> int:
    """A whole number of 64 bits in the order of the floats, which Sphinx has with 32 bits only."""
    (bits,) = struct.unpack("<q", struct.pack("<d", number))
    return int(bits) if bits >= 0 else int(bits) ^ _SIGN


def from_ordinal(bits: int) -> float:
    (number,) = struct.unpack("<d", struct.pack("<q", bits if bits >= 0 else bits ^ _SIGN))
    return float(number)


def digits(number: int) -> str:
    return f"m{-number}" if number < 0 else str(number)


def term_token(term: str) -> str:
    if _PLAIN.fullmatch(term):
        return f"t{term}"
    return f"t_{blake2b(term.encode(), digest_size=16).hexdigest()}"


def _spelled(word: str) -> str:
    return "".join(c if c.isascii() and c.isalnum() else f"_{ord(c):x}_" for c in word)


def word_tokens(word: str) -> list[str]:
    """A word as it is found by what it begins with: as it is, and hashes of what is too long for that."""
    spelled = _spelled(word)
    if len(spelled) <= _LONGEST_WORD:
        return [f"w{spelled}"]
    starts = [word[:end] for end in range(1, len(word) + 1)]
    long = [start for start in starts if len(_spelled(start)) > _LONGEST_WORD]
    return [f"w{spelled[:_LONGEST_WORD]}", *(prefix_token(start) for start in long)]


def prefix_token(start: str) -> str:
    """What finds the words that begin so."""
    spelled = _spelled(start)
    if len(spelled) <= _LONGEST_WORD:
        return f"w{spelled}*"
    return f"wh{blake2b(start.encode(), digest_size=12).hexdigest()}z"


def visible(view: View) -> tuple[str, str]:
    """What a reader sees, as a WHERE and the columns that it refers to: there is no OR in it."""
    born = f"born>{view.base} AND born<={view.committed}"
    if not view.void:
        return f"{born} AND died>{view.committed}", ""
    seen = f"(died>{view.committed} OR {void(view, 'died')}) AND ({void(view, 'born')})=0"
    return f"{born} AND seen=1", f", ({seen}) AS seen"


def void(view: View, column: str) -> str:
    """Where a generation is of those that came to nothing."""
    runs = (f"({column}>={first} AND {column}<={last})" for first, last in view.void)
    return " OR ".join(runs) or f"{column}=0"


class Reader(Snapshot):
    """One committed state; it has no vectors.

    Args:
        run: runs a statement.
        lengths: how long each text field is on average, in the order of `columns.text`.
    """

    def __init__(
        self,
        run: Run,
        table: str,
        values: str,
        columns: Columns,
        view: View,
        lengths: Sequence[float],
    ) -> None:
        self._run, self._table, self._values = run, table, values
        self._columns = columns
        self._visible = visible(view)
        self._lengths = lengths

    def matching(
        self,
        asked: Asked | None,
        restriction: Restriction,
        *,
        limit: int,
        also: Sequence[int] = (),
        sort: str | None = None,
    ) -> list[tuple[int, float]]:
        match, conditions = self._question(asked, restriction)
        order = "w DESC, id ASC" if match else "id ASC"
        if sort is not None:
            order = self._order(sort)
        found = self._select(match, conditions, order, limit)
        # Without words there is no weight: all are found alike.
        return [(int(ident), (weight - 1) / _SCALE if match else 1.0) for ident, weight in found]

    def scores(self, asked: Asked, handles: Sequence[int]) -> dict[int, float]:
        found: dict[int, float] = {}
        for part in chunks(handles, _PAGE):
            match, conditions = self._question(asked, Restriction())
            conditions.append(f"id IN ({','.join(map(str, part))})")
            rows = self._select(match, conditions, "id ASC", len(part))
            found |= {int(i): (w - 1) / _SCALE if match else 1.0 for i, w in rows}
        return found

    def nearest(
        self, vector: NDArray[np.float32], restriction: Restriction, *, limit: int
    ) -> list[tuple[int, float]]:
        return []

    def similarities(self, vector: NDArray[np.float32], handles: Sequence[int]) -> dict[int, float]:
        return {}

    def vectors(self, group: str) -> NDArray[np.float32]:
        return np.zeros((0, self._columns.schema.vector_dim or 0), np.float32)

    def summary(
        self,
        asked: Asked | None,
        restriction: Restriction,
        *,
        also: Sequence[int],
        facets: Sequence[str],
        facet_limit: int,
    ) -> tuple[int, dict[str, tuple[tuple[str, int], ...]]]:
        match, conditions = self._question(asked, restriction)
        where, columns = self._where(match, conditions)
        ((total, *_),) = self._run(f"SELECT COUNT(*){columns} FROM {self._table}{where}")
        out = {}
        for name in facets:
            counted = self._counted(name, where, columns, int(total)) if total else []
            counted.sort(key=lambda item: (-item[1], item[0]))
            out[name] = tuple(counted[:facet_limit])
        return int(total), out

    def fetch(self, handles: Sequence[int]) -> dict[int, tuple[str, str, dict[str, Any]]]:
        out = {}
        for part in chunks(handles, 100):
            listed = ",".join(map(str, part))
            rows = self._run(
                f"SELECT id, stored FROM {self._table} WHERE id IN ({listed}) LIMIT 0,{len(part)}"
            )
            if len(rows) < len(part):
                raise Unavailable("the search took longer than what is dead was kept")
            for ident, stored in rows:
                raw = zlib.decompress(base64.b64decode(stored))
                key, group, fields = json.loads(raw.decode("utf-8", "surrogatepass"))
                out[int(ident)] = key, group, fields
        return out

    def count(self) -> int:
        where, columns = self._where(None, ())
        ((count, *_),) = self._run(f"SELECT COUNT(*){columns} FROM {self._table}{where}")
        return int(count)

    # --- statements

    def _select(
        self, match: str | None, conditions: Sequence[str], order: str, limit: int
    ) -> list[Row]:
        where, columns = self._where(match, conditions)
        ranked = "WEIGHT()" if match else "0"
        how = f"max_matches={limit}" + (f", {self._ranker()}" if match else "")
        return [
            row[:2]
            for row in self._run(
                f"SELECT id, {ranked} AS w{columns} FROM {self._table}{where}"
                f" ORDER BY {order} LIMIT 0,{limit} OPTION {how}"
            )
        ]

    def _where(self, match: str | None, conditions: Sequence[str]) -> tuple[str, str]:
        """The WHERE of a statement, and the columns that it refers to."""
        seen, columns = self._visible
        columns += "".join(f", ({one}) AS o{i}" for i, one in enumerate(conditions))
        parts = [seen, *(f"o{i}=1" for i in range(len(conditions)))]
        if match:
            parts.insert(0, f"MATCH('{match}')")
        return f" WHERE {' AND '.join(parts)}", columns

    def _order(self, sort: str) -> str:
        name = sort.removeprefix("-")
        n = self._columns.number(name)
        falling = sort.startswith("-")
        own = f"v{n}"
        if self._columns.kinds[name] == "keyword":
            own = f"z{n}" if falling else f"s{n}"
        return f"x{n} DESC, {own} {'DESC' if falling else 'ASC'}, id ASC"

    def _ranker(self) -> str:
        """BM25 of each field by its own length, each keyword alike in how often it is there.

        Sphinx's own `bm25f` takes the lengths of real-time indexes for nothing. A keyword that every
        entry has counts nothing.
        """
        text = self._columns.text
        expression = "0"
        for place, (n, boost) in reversed(list(enumerate(text))):
            norm = f"{_K1}*({1 - _B}+{_B}*f{n}_len/{self._lengths[place]:.4f})"
            field = f"{boost:.6f}*sum_idf*tf_idf/(tf_idf+{norm}*sum_idf+0.000001)"
            expression = f"if(user_weight={place + 2},{field},{expression})"
        # Weights tell the expression which field it is in.
        weights = [f"f{n}={place + 2}" for place, (n, _) in enumerate(text)]
        weights += [f"w{n}=1" for n, _ in text] + ["c=1"]
        return (
            f"ranker=expr('1+{_SCALE}*sum({expression})'), field_weights=({','.join(weights)}), "
            "idf='plain,tfidf_unnormalized'"
        )

    def _counted(self, name: str, where: str, columns: str, total: int) -> list[tuple[str, int]]:
        n, kind = self._columns.number(name), self._columns.kinds[name]
        most = total
        if kind == "keyword":
            ((known,),) = self._run(f"SELECT COUNT(*) FROM {self._values} WHERE field={n}")
            most = int(known)
        if most > _MOST_VALUES:
            raise LimitExceeded("a facet with so many values is not counted exactly", values=most)
        own = {"keyword": f"k{n}", "number": f"v{n}", "date": f"y{n}"}[kind]
        rows = self._run(
            f"SELECT GROUPBY() g, COUNT(*) n, x{n}{columns} FROM {self._table}{where} AND x{n}=1"
            f" GROUP BY {own} LIMIT 0,{most + 1} OPTION max_matches={most + 1}"
        )
        if kind == "keyword":
            shown = self._spelled([int(row[0]) for row in rows])
            return [(shown[int(row[0])], int(row[1])) for row in rows]
        if kind == "date":
            return [(f"{int(row[0]):04d}", int(row[1])) for row in rows]
        numbers = [(from_ordinal(int(row[0])), int(row[1])) for row in rows]
        return [(str(int(v)) if v.is_integer() else str(v), count) for v, count in numbers]

    def _spelled(self, hashes: Iterable[int]) -> dict[int, str]:
        """What hashes of keywords stand for."""
        out: dict[int, str] = {}
        for part in chunks(list(hashes), _PAGE):
            rows = self._run(
                f"SELECT id, value FROM {self._values} WHERE id IN ({','.join(map(str, part))})"
                f" LIMIT 0,{len(part)} OPTION max_matches={len(part)}"
            )
            out |= {int(ident): base64.b64decode(value).decode() for ident, value in rows}
        return out

    def _values_between(self, n: int, low: str | None, high: str | None) -> list[int]:
        """Hashes of a field's keywords within bounds, by their bytes: all are listed."""
        least, most = (low or "").encode(), None if high is None else high.encode()
        inside, last = [], 0
        while True:
            rows = self._run(
                f"SELECT id, value FROM {self._values} WHERE field={n} AND id>{last}"
                f" ORDER BY id ASC LIMIT 0,{_PAGE}"
            )
            for ident, value in rows:
                text = base64.b64decode(value)
                if least <= text and (most is None or text <= most):
                    inside.append(int(ident))
            if len(rows) < _PAGE:
                return inside
            last = int(rows[-1][0])

    # --- questions

    def _question(
        self, asked: Asked | None, restriction: Restriction
    ) -> tuple[str | None, list[str]]:
        """What is asked as words for MATCH, None for any, and as conditions on columns."""
        conditions = [
            " OR ".join(self._condition(one) for one in either) or "born=0"
            for either in restriction.required
        ]
        conditions += [f"({self._condition(one)})=0" for one in restriction.excluded]
        if asked is None:
            return None, conditions
        if not asked.clauses:
            return None, ["born=0"]
        parts: dict[str, list[str]] = {"must": [], "should": [], "not": []}
        required = False
        for clause in dict.fromkeys(asked.clauses):
            plain = self._plain_condition(clause)
            if plain is not None:
                conditions.append(plain)
                required = required or clause.occur == "must"
            else:
                parts[clause.occur].append(self._node(clause.node))
        return self._words(parts, required=required), conditions

    def _plain_condition(self, clause: Clause) -> str | None:
        if clause.occur == "should" or not isinstance(clause.node, Among | Between):
            return None
        condition = self._condition(clause.node)
        return f"({condition})=0" if clause.occur == "not" else condition

    def _words(self, parts: dict[str, list[str]], *, required: bool) -> str | None:
        must, may, excluded = parts["must"], _any_of(parts["should"]), _any_of(parts["not"])
        if must:
            # Sphinx has MAYBE for this, but its expression ranker takes it for AND.
            optional = [f"({may} | {_EVERY})"] if may else []
            query = f"({' '.join([*must, *optional])})"
        elif may:
            query = f"({may} | {_EVERY})" if required else may
        elif excluded:
            query = _EVERY
        else:
            return None
        return f"({query} !{excluded})" if excluded else query

    def _node(self, node: Node) -> str:
        match node:
            case Words(field, terms):
                tokens = " ".join(map(term_token, terms))
                return f'({self._at("f", field)} "{tokens}")'
            case Prefix(field, start, term):
                begins = f"({self._at('w', field)} {prefix_token(start)})"
                return f"({begins} | ({self._at('f', field)} {term_token(term)}))"
            case Either(nodes):
                return _any_of([self._node(one) for one in nodes]) or f"({_EVERY} !{_EVERY})"
            case Among(field, values):
                n = self._columns.number(field)
                return _any_of([f"(@c k{hashed(value, n)})" for value in values])
            case Between():
                return f"(@c {self._token(node)})"
        raise InvalidInput(f"no such part of a query: {node!r}")

    def _at(self, letter: str, field: str | None) -> str:
        columns = self._columns
        numbers = [n for n, _ in columns.text] if field is None else [columns.number(field)]
        return f"@({','.join(f'{letter}{n}' for n in numbers)})"

    def _token(self, node: Between) -> str:
        """A number, or a date or its beginning, as one token: MATCH knows no ranges."""
        n = self._columns.number(node.field)
        if isinstance(node.low, str) or node.low is None or node.high is None:
            raise InvalidInput("a range is no alternative to words", field=node.field)
        if self._columns.kinds[node.field] == "number":
            return f"n{n}_{digits(ordinal(float(node.low)))}"
        low, high = int(node.low), int(float(node.high))
        if low == high:
            return f"n{n}_{digits(low)}"
        day = str(np.datetime64(low, "s").astype("datetime64[D]"))
        last = str(np.datetime64(high, "s").astype("datetime64[D]"))
        same = 10 if day == last else 7 if day[:7] == last[:7] else 4
        return f"d{n}_{day[:same].replace('-', '')}"

    def _condition(self, condition: Condition) -> str:
        """A condition as an expression that is 1 or 0."""
        n = self._columns.number(condition.field)
        if isinstance(condition, Among):
            return _in(n, [hashed(value, n) for value in condition.values])
        if condition.low is None and condition.high is None:
            return f"x{n}=1"
        if self._columns.kinds[condition.field] == "keyword":
            low, high = condition.low, condition.high
            return _in(
                n,
                self._values_between(
                    n, None if low is None else str(low), None if high is None else str(high)
                ),
            )
        parts = [f"x{n}=1"]
        as_whole = ordinal if self._columns.kinds[condition.field] == "number" else int
        if condition.low is not None:
            parts.append(f"v{n}>={as_whole(float(condition.low))}")
        if condition.high is not None:
            parts.append(f"v{n}<={as_whole(float(condition.high))}")
        return f"({' AND '.join(parts)})"


def _in(n: int, hashes: Sequence[int]) -> str:
    return f"IN(k{n},{','.join(map(str, hashes))})" if hashes else "born=0"


def _any_of(queries: Sequence[str]) -> str:
    return f"({' | '.join(queries)})" if queries else ""
