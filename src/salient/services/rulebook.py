"""Where the rules of extraction of a workspace are kept: one record each."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from salient.errors import LimitExceeded
from salient.knowledge.grammar_search.rules import Rule, Rules
from salient.storage.docs import Record, Records

COLLECTION = "grammar_rules"
MAX_RULES = 200


@dataclass(frozen=True)
class RuleBook:
    """Rules as people saved them. For threads and processes."""

    records: Records
    workspace: str

    def rules(self) -> Rules:
        """All, as readings use them."""
        return Rules.of([rule for rule, _ in self.entries()])

    def entries(self) -> list[tuple[Rule, dict[str, Any]]]:
        """Each rule with `name`, `person` and `made_at`, oldest first."""
        found = []
        for row in self._rows():
            about = {k: row.get(k) for k in ("name", "person", "made_at")}
            found.append((Rule(**row["rule"]), about))
        return sorted(found, key=lambda entry: (entry[1]["made_at"] or "", entry[0].id))

    def put(self, rule: Rule, *, name: str, person: str, made_at: str) -> None:
        """Save a rule; one that says the same is replaced.

        Raises:
            LimitExceeded: there are `MAX_RULES` others.
        """
        if sum(1 for other, _ in self.entries() if other.id != rule.id) >= MAX_RULES:
            raise LimitExceeded(f"a workspace has at most {MAX_RULES} rules", limit=MAX_RULES)
        row = {"workspace": self.workspace, "rule": asdict(rule), "name": name, "person": person, "made_at": made_at}  # fmt: skip
        self.records.put(COLLECTION, self._ident(rule.id), row)

    def remove(self, ident: str) -> bool:
        """Remove a rule by its id; return whether it was there."""
        return self.records.delete(COLLECTION, self._ident(ident))

    def _rows(self) -> list[Record]:
        return list(self.records.query(COLLECTION, {"workspace": self.workspace}))

    def _ident(self, rule: str) -> str:
        return f"{self.workspace}/{rule}"
