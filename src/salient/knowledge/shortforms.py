"""Within one document: which short form stands for which longer one.

"Halden" joins "Halden Maritime AS" and "Mr. Berg" joins "Ingrid Berg" when the document has one
such longer form. With two that differ, a short form stays a name of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from salient.knowledge.names import Name, acronyms, given_names_agree, parse, words
from salient.knowledge.similarity import legal_forms_agree

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Form:
    """A distinct name of a document. `locative`: something is said to be in, near or from it."""

    kind: str
    norm: str
    locative: bool = False


def attach(forms: Sequence[Form]) -> dict[Key, Key]:
    """(type, norm) of each short form -> (type, norm) of its root. Roots are not in the result.

    Independent of the order of `forms`.
    """
    names = {(f.kind, f.norm): parse(f.norm, f.kind) for f in forms}
    locative = {(f.kind, f.norm) for f in forms if f.locative}
    parent: dict[Key, Key] = {}
    # Fullest first: what a short form may join is settled before it is looked at.
    order = sorted(names, key=lambda k: (-_fullness(names[k]), k))
    index: dict[str, list[Key]] = {}
    for key in order:
        for token in (
            set(names[key].core) | set(acronyms(names[key].core)) | {"".join(names[key].core)}
        ):
            index.setdefault(token, []).append(key)
    for key in reversed(order):
        target = _target(key, names, index, locative)
        if target is not None:
            parent[key] = target
    return {key: _root(key, parent) for key in parent}


def _root(key: Key, parent: dict[Key, Key]) -> Key:
    seen = {key}
    while key in parent and parent[key] not in seen:
        key = parent[key]
        seen.add(key)
    return key


def _fullness(name: Name) -> int:
    return 4 * len(name.core) + 2 * bool(name.legal) + len(name.norm) // 64


def _target(
    key: Key, names: dict[Key, Name], index: dict[str, list[Key]], locative: set[Key]
) -> Key | None:
    short = names[key]
    if not short.core:
        return None
    nearby = {k for k in index.get(short.core[0], []) if k != key}
    nearby |= {k for k in index.get("".join(short.core), []) if k != key}
    nearby |= {k for k in index.get(short.core[-1], []) if k != key}
    same = [k for k in nearby if k[0] == key[0] and _is_short_for(short, names[k])]
    chosen = _only(same, names)
    if chosen is not None or same:
        return chosen
    # The engine took a bare company name for something else.
    other = {"PERSON", "PLACE", "PRODUCT", "WORK", "LAW", "EVENT"}
    if key[0] in other and len(short.core) == 1 and key not in locative:
        if short.core[0] in words("generic"):
            return None
        surname = any(k[0] == "PERSON" and names[k].surname == short.core[0] for k in nearby)
        as_org = parse(short.norm, "ORG")
        companies = [
            k for k in nearby
            if k[0] == "ORG" and names[k].legal and names[k].core[0] == short.core[0] and _is_short_for(as_org, names[k])
            and (key[0] != "PLACE" or _only_common(names[k].core[1:]))
        ]  # fmt: skip
        if not surname:
            return _only(companies, names)
    return None


def _only_common(core: Sequence[str]) -> bool:
    """Whether words say nothing by themselves: "Shanghai" is no short form of Shanghai Halden Ltd."""
    return all(t in words("generic") or t in words("stop") for t in core)


def _only(candidates: Sequence[Key], names: dict[Key, Name]) -> Key | None:
    """The fullest candidate, when all others are short for it."""
    if not candidates:
        return None
    best = min(candidates, key=lambda k: (-_fullness(names[k]), k))
    for other in candidates:
        if other != best and not _is_short_for(names[other], names[best]):
            return None
    return best


def _is_short_for(short: Name, long: Name) -> bool:
    """Whether the one can stand for the other, which says more. Never both ways round."""
    if short.kind == "PERSON":
        return _person_is_short_for(short, long)
    if _fullness(short) >= _fullness(long) and not (
        short.core == long.core and short.norm > long.norm and short.legal == long.legal
    ):
        return False
    if short.core == long.core:
        return legal_forms_agree(short.legal, long.legal) and (
            not short.legal or short.legal == long.legal
        )
    if short.kind == "PLACE":
        return False
    if len(short.core) == 1 and short.core[0] in acronyms(long.core) and len(short.core[0]) > 2:
        return True
    if short.legal and short.legal != long.legal:
        return False
    if len(short.core) >= len(long.core) or short.numbers != long.numbers:
        return False
    if _only_common(short.core):
        return False
    if short.kind not in {"ORG", "LAW", "EVENT"}:
        return False
    if long.core[: len(short.core)] == short.core:
        # "Acme" may be "Acme Holdings" in one document; "Acme Group" is not "Acme Group Capital".
        # A product or division has its maker's name in front: "Acme Music" has no form, and a word more.
        if len(short.core) == 1:
            return bool(long.legal) or short.kind != "ORG" or _only_common(long.core[1:])
        return long.core[len(short.core)] not in words("distinguishing")
    if len(short.core) == 1:
        telling = len(short.core[0]) > 3 and short.core[0] not in words("generic")
        return short.kind == "ORG" and telling and bool(long.legal) and short.core[0] in long.core
    size = len(short.core)
    return any(long.core[i : i + size] == short.core for i in range(1, len(long.core) - size + 1))


def _person_is_short_for(short: Name, long: Name) -> bool:
    if not long.surname or len(short.core) > len(long.core) or short.norm == long.norm:
        return False
    if not short.surname:
        return (
            short.core[0] == long.core[-1]
            or short.core[0] == long.surname
            or short.core[0] == long.given[0]
        )
    if short.surname != long.surname:
        return False
    agree = given_names_agree(short.given, long.given)
    fuller = (len(long.core), len("".join(long.given)), short.norm) > (
        len(short.core), len("".join(short.given)), long.norm,
    )  # fmt: skip
    return agree > 0 and fuller
