"""What revisions are written with: columns and steps that mean the same on every database.

MySQL commits each step by itself, and a migration may be killed between two: a step that is done
already does nothing, so that the next start goes on where the last one ended.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

# Text is equal, and in order, by code point: not by the rules of a language, and blanks count.
_POSTGRES, _MYSQL, _MARIADB = "C", "utf8mb4_0900_bin", "utf8mb4_nopad_bin"


def text(length: int | None = None) -> sa.types.TypeEngine[str]:
    """Text of up to `length` characters; without it, of any length."""
    if length is None:
        plain = sa.Text().with_variant(sa.Text(collation=_POSTGRES), "postgresql")
        return plain.with_variant(mysql.LONGTEXT(), "mysql")  # TEXT ends at 64 KB there
    return sa.String(length).with_variant(sa.String(length, collation=_POSTGRES), "postgresql")


def fixed(length: int) -> sa.types.TypeEngine[str]:
    """Text of just `length` characters."""
    return sa.CHAR(length).with_variant(sa.CHAR(length, collation=_POSTGRES), "postgresql")


def create_table(name: str, *items: sa.schema.SchemaItem) -> None:
    if _has_table(name):
        return
    dialect: Any = op.get_bind().dialect
    collation = _MARIADB if getattr(dialect, "is_mariadb", False) else _MYSQL
    op.create_table(
        name,
        *items,
        mysql_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate=collation,
    )


def drop_table(name: str) -> None:
    if _has_table(name):
        op.drop_table(name)


def empty(table: str) -> None:
    op.execute(sa.delete(sa.table(table)))


def create_index(name: str, table: str, columns: Sequence[str], *, unique: bool = False) -> None:
    if name not in {found["name"] for found in _inspect().get_indexes(table)}:
        op.create_index(name, table, list(columns), unique=unique)


def drop_index(name: str, table: str) -> None:
    if name in {found["name"] for found in _inspect().get_indexes(table)}:
        op.drop_index(name, table)


def add_column(table: str, column: sa.Column[Any]) -> None:
    if column.name not in {found["name"] for found in _inspect().get_columns(table)}:
        op.add_column(table, column)


def drop_column(table: str, name: str) -> None:
    if name in {found["name"] for found in _inspect().get_columns(table)}:
        op.drop_column(table, name)


def fill(
    table: str, key: Sequence[str], columns: Mapping[str, str], make: Callable[[str], str]
) -> None:
    """Fill new columns from others, a thousand rows at a time, in the order of a key of text.

    Args:
        columns: the new one -> the one it is made from. The first is filled where it is NULL, and
            must be made from one that never is.
        make: gives the value; NULL stays NULL.
    """
    bind = op.get_bind()
    after = dict.fromkeys((f"{name}_is" for name in key), "")
    find = sa.text(
        f"SELECT {', '.join([*key, *columns.values()])} FROM {table}"  # noqa: S608 # our own names
        f" WHERE {next(iter(columns))} IS NULL"
        f" AND ({', '.join(key)}) > ({', '.join(f':{name}' for name in after)})"
        f" ORDER BY {', '.join(key)} LIMIT 1000"
    )
    put = sa.text(
        f"UPDATE {table} SET {', '.join(f'{new} = :{new}' for new in columns)}"  # noqa: S608
        f" WHERE {' AND '.join(f'{name} = :{name}_is' for name in key)}"
    )
    while rows := bind.execute(find, after).mappings().all():
        values = [
            {f"{name}_is": row[name] for name in key}
            | {new: None if row[old] is None else make(row[old]) for new, old in columns.items()}
            for row in rows
        ]
        bind.execute(put, values)
        after = {name: values[-1][name] for name in after}


def _has_table(name: str) -> bool:
    return _inspect().has_table(name)


def _inspect() -> sa.Inspector:
    return sa.inspect(op.get_bind())
