"""SQL built with SQLAlchemy Core, rendered once for asyncpg: the ORM's own execution costs more than the queries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import Executable
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg

_DIALECT = PGDialect_asyncpg()  # type: ignore[no-untyped-call] # SQLAlchemy leaves dialects untyped


@dataclass(frozen=True, slots=True)
class Statement:
    """Text with `$1`-style places, and the names of the values that belong there."""

    sql: str
    names: tuple[str, ...]
    constants: Mapping[str, Any]

    def values(self, given: Mapping[str, Any]) -> list[Any]:
        """The values in the order of their places."""
        return [given[name] if name in given else self.constants[name] for name in self.names]


def compiled(statement: Executable) -> Statement:
    """Renders a statement for asyncpg."""
    done = statement.compile(dialect=_DIALECT)  # type: ignore[attr-defined] # every executable element has it
    return Statement(str(done), tuple(done.positiontup or ()), dict(done.params))


def as_json(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as one parameter for `jsonb_to_recordset`."""
    # asyncpg's UUIDs are a subclass, which orjson takes only by way of `default`.
    return orjson.dumps(rows, default=str).decode()
