"""The SQL of a pull: fills of one scope and differences over several, each a bounded index scan per scope."""

from __future__ import annotations

from collections.abc import Hashable
from functools import lru_cache
from hashlib import sha256
from typing import Any, Protocol

from sqlalchemy import (
    BigInteger,
    Boolean,
    Cast,
    ColumnElement,
    DateTime,
    FromClause,
    Integer,
    LargeBinary,
    Select,
    String,
    Text,
    TypeDecorator,
    Uuid,
    bindparam,
    cast,
    column,
    false,
    func,
    literal,
    select,
    true,
    tuple_,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSON, JSONB

from patrol.sync.subjects import BY_TABLE, SUBJECTS
from storage.base import PgSnapshot, Xid8
from storage.statements import Statement, compiled
from storage.sync import ScopeExit


class Wanted(Hashable, Protocol):
    """What a phone asks of a subject's rows: a table under an alias, and columns of it."""

    @property
    def rows(self) -> FromClause: ...

    @property
    def columns(self) -> list[ColumnElement[Any]]: ...

    def shape_id(self) -> str:
        """The same for the same columns, so that an app which asks for more is given everything anew."""
        ...


def shape_of(columns: list[ColumnElement[Any]]) -> str:
    """A short hash of what columns read, whatever their order and labels."""
    texts = sorted({str(getattr(one, "element", one)) for one in columns})
    return sha256("\n".join(texts).encode()).hexdigest()[:16]


REMOVAL_BYTES = 110
"""What a removal takes in an answer."""

_CELL_BYTES = 16
"""The name of a field and a short value."""


def weight(columns: list[ColumnElement[Any]]) -> ColumnElement[int]:
    """About how many bytes a row takes in an answer. Lengths of texts are read from their headers, which costs nothing."""
    known, parts = 2, []
    for one in columns:
        value = getattr(one, "element", one)
        # SQLModel's texts are decorated ones.
        kind = value.type.impl_instance if isinstance(value.type, TypeDecorator) else value.type
        known += _CELL_BYTES
        if isinstance(value, Cast) and isinstance(value.clause.type, Uuid):
            known += 36
        elif isinstance(kind, String):
            parts.append(func.coalesce(func.octet_length(value), 0))
        elif isinstance(kind, JSON | JSONB | ARRAY):
            parts.append(func.coalesce(func.octet_length(cast(value, Text)), 0))
        elif isinstance(kind, LargeBinary):
            parts.append(func.coalesce(2 * func.octet_length(value), 0))
        else:
            known += _CELL_BYTES
    size: ColumnElement[int] = literal(known, Integer)
    for part in parts:
        size = size + part
    return size


def unexpired(rows: FromClause) -> list[ColumnElement[bool]]:
    """What holds for rows that have not expired; nothing to ask of tables whose rows never do."""
    return [~_expired(rows)] if "expires_at" in rows.c else []


def _expired(rows: FromClause) -> ColumnElement[bool]:
    if "expires_at" not in rows.c:
        return false()
    return func.coalesce(rows.c.expires_at <= _NOW, false(), type_=Boolean)


_NOW = bindparam("now", type_=DateTime(timezone=True))
_XID = cast(cast(bindparam("xid", type_=Text), Text), Xid8)
_KEY = cast(cast(bindparam("key", type_=Text), Text), Uuid)
_LIMIT = bindparam("limit", type_=Integer)


def _visible(stamp: ColumnElement[Any], name: str) -> ColumnElement[bool]:
    snapshot = cast(cast(bindparam(name, type_=Text), Text), PgSnapshot)
    return func.pg_visible_in_snapshot(stamp, snapshot, type_=Boolean)


def _ordered(
    wanted: Select[Any], stamp: ColumnElement[Any], key: ColumnElement[Any]
) -> Select[Any]:
    return (
        wanted.add_columns(cast(stamp, Text).label("_xid"), key.label("_id"), stamp.label("_stamp"))
        .where(tuple_(stamp, key) > tuple_(_XID, _KEY))
        .order_by(stamp, key)
        .limit(_LIMIT)
    )


def _difference(
    wanted: Select[Any],
    scope: ColumnElement[Any],
    stamp: ColumnElement[Any],
    key: ColumnElement[Any],
) -> Statement:
    """What was stamped between two snapshots, in several scopes: each scope is one bounded scan, then merged.

    The place to begin at must be no earlier than the first snapshot's xmin needs, or each scan reads its whole scope.
    """
    scopes = (
        func.unnest(bindparam("scopes", type_=ARRAY(Uuid)))
        .table_valued(column("id", Uuid))
        .render_derived(name="scopes")
    )
    branch = (
        _ordered(wanted, stamp, key)
        .where(
            scope == scopes.c.id,
            ~_visible(stamp, "previous"),
            _visible(stamp, "until"),
        )
        .lateral("branch")
    )
    return compiled(
        select(*(one for one in branch.c if one.key != "_stamp"))
        .select_from(scopes.join(branch, true()))
        .order_by(branch.c["_stamp"], branch.c["_id"])
        .limit(_LIMIT)
    )


@lru_cache(maxsize=2000)
def fill(wanted: Wanted) -> Statement:
    """The rows of one scope, oldest stamp first, as they stood at `until`."""
    rows = wanted.rows
    base = select(*wanted.columns, weight(wanted.columns).label("_size")).where(
        rows.c.scope_id == bindparam("scope", type_=Uuid),
        rows.c.deleted_at.is_(None),
        *unexpired(rows),
        _visible(rows.c.sync_xid, "until"),
    )
    return compiled(_ordered(base, rows.c.sync_xid, rows.c.id))


@lru_cache(maxsize=2000)
def lacking(wanted: Wanted) -> Statement:
    """The rows of one part of a scope, as they stand now, without those that a phone says it has."""
    rows = wanted.rows
    held = (
        func.unnest(bindparam("ids", type_=ARRAY(Uuid)), bindparam("revs", type_=ARRAY(BigInteger)))
        .table_valued(column("id", Uuid), column("rev", BigInteger))
        .render_derived(name="held")
    )
    suffix = bindparam("suffix", type_=Text)
    same = select(held.c.id).where(held.c.id == rows.c.id, held.c.rev == rows.c.rev)
    base = select(*wanted.columns, weight(wanted.columns).label("_size")).where(
        rows.c.scope_id == bindparam("scope", type_=Uuid),
        rows.c.deleted_at.is_(None),
        *unexpired(rows),
        func.right(cast(rows.c.id, Text), func.length(suffix)) == suffix,
        ~same.exists(),
    )
    return compiled(_ordered(base, rows.c.sync_xid, rows.c.id))


@lru_cache(maxsize=2000)
def delta(wanted: Wanted) -> Statement:
    """What became of the rows of several scopes between two snapshots, tombstones included."""
    rows = wanted.rows
    base = select(
        *wanted.columns,
        weight(wanted.columns).label("_size"),
        rows.c.deleted_at.is_not(None).label("_deleted"),
        _expired(rows).label("_expired"),
    )
    return _difference(base, rows.c.scope_id, rows.c.sync_xid, rows.c.id)


def _exits() -> Statement:
    rows = ScopeExit.__table__.alias("t")  # type: ignore[attr-defined] # every SQLModel table has it
    wanted = select(rows.c.subject, literal(REMOVAL_BYTES, Integer).label("_size"))
    return _difference(wanted, rows.c.scope_id, rows.c.sync_xid, rows.c.row_id)


EXITS = _exits()
"""Rows that left several scopes between two snapshots."""

_NEW = (
    "exists (select from {table} where scope_id = any ($1::uuid[]) and sync_xid >= $2::text::xid8 "
    "and not pg_visible_in_snapshot(sync_xid, $3::text::pg_snapshot) "
    "and pg_visible_in_snapshot(sync_xid, $4::text::pg_snapshot))"
)
CHANGED = " union all ".join(
    f"select '{name}' as subject where {_NEW.format(table=table)}"  # our own table names
    for name, table in [
        *((subject.name, subject.table.description) for subject in SUBJECTS),
        ("exits", "scope_exit"),
    ]
)
"""Which subjects have a difference at all, given scopes, xmin, the snapshot before and the one now."""


def still_here(table: str) -> str:
    """Of some ids, those that stand in some scopes, and that the row policies show.

    The policies alone do not say it: an officer may read an alert that he was called for and that no scope of his holds.
    What is deleted or over by now stands nowhere: a scope that is filled gives neither the row nor its removal.
    """
    rows = BY_TABLE[table].table  # a table's name, never input
    live = (
        " and (expires_at is null or expires_at > clock_timestamp())"
        if "expires_at" in rows.c
        else ""
    )
    return (
        f"select id from {table} where id = any ($1::uuid[]) and scope_id = any ($2::uuid[]) "  # noqa: S608 # checked above
        f"and deleted_at is null{live}"
    )
