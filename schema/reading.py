"""Reads one change as a phone sent it, whatever release of the app it is of: what this one cannot read is kept as it came."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING
from functools import lru_cache
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
import strawberry
from graphql import GraphQLInputObjectType, GraphQLNonNull

from patrol.sync.mutation import UNREADABLE, Mutation
from schema.changes import MutationInput, decoded
from schema.mutations.inputs import Slot, Struct, Structs
from schema.scalars import config

_RAISES: Final = "raiseAlert"

DEEPEST: Final = 64
"""Levels of what is kept as it came; no app means more, and neither the encoder nor the database holds any number of them."""


class Named(msgspec.Struct, rename="camel"):
    """What must be readable of every mutation, because it is answered by it."""

    sequence: Annotated[int, msgspec.Meta(ge=0, lt=2**53)]
    mutation_id: UUID


class _Structs:
    """The structs of a mutation and of each part of a call for help."""

    def __init__(self) -> None:
        @strawberry.type
        class Query:
            @strawberry.field
            def read(self, mutation: MutationInput) -> bool:
                raise NotImplementedError  # nobody asks: only the input's type is wanted

        # A contract of its own: changes are also read where no phone asks, such as by a command.
        types: Mapping[str, Any] = strawberry.Schema(query=Query, config=config())._schema.type_map
        structs = Structs()
        self.whole = _only(structs, types["MutationInput"])
        alert: GraphQLInputObjectType = types["RaiseAlertInput"]
        self.parts = {
            name: (
                field.extensions["strawberry-definition"].python_name,
                _only(structs, field.type),
            )
            for name, field in alert.fields.items()
        }


def _only(structs: Structs, kind: Any) -> Struct:
    wanted = kind if isinstance(kind, GraphQLNonNull) else GraphQLNonNull(kind)
    return structs.make("Only", [Slot("it", "it", wanted, MISSING)])


@lru_cache(maxsize=1)
def _structs() -> _Structs:
    return _Structs()


def names(raw: Any) -> bool:
    """Whether it can be told which mutation this is, so that it can be answered by itself."""
    try:
        msgspec.convert(raw, Named)
    except msgspec.ValidationError:
        return False
    return True


def read_change(raw: Mapping[str, Any]) -> Mutation | None:
    """The mutation; None where this release cannot read it."""
    try:
        found: Any = msgspec.convert({"it": raw}, _structs().whole)
        return decoded(found.it)
    except (msgspec.ValidationError, ValueError, TypeError):
        return None


def read_kept(raw: Mapping[str, Any]) -> Mutation | None:
    """What was kept as it came, read to be replayed: as a push reads it, so a call for help in parts; None where it cannot."""
    read = read_change(raw)
    change = raw.get("change")
    if read is None and names(raw) and isinstance(change, Mapping):
        return unreadable(raw) if isinstance(change.get(_RAISES), Mapping) else None
    return read


def unreadable(raw: Mapping[str, Any]) -> Mutation:
    """A mutation that cannot be read, to be refused and kept as it came; `unread` is what it is about.

    A call for help is read in parts: somebody needs help, whatever else a newer app has to say about it.

    Raises:
        msgspec.ValidationError: it names no mutation; see `names`.
    """
    named = msgspec.convert(raw, Named)
    kept: dict[str, Any] = clean(raw)
    # As it is kept, also in what is told of it: a name that cannot be stored would stop the lane.
    change = kept.get("change")
    change = change if isinstance(change, Mapping) else {}
    captured_at = str(kept.get("capturedAt") or "")[:64]
    called = change.get(_RAISES)
    if isinstance(called, Mapping):
        fields, unread = _in_parts(called)
        beside = {name: value for name, value in change.items() if name != _RAISES}
        row = fields.pop("id", named.mutation_id)
        return Mutation(
            named.sequence, named.mutation_id, "raise_alert", row, captured_at, None, fields, kept, unread | beside or {"capturedAt": None},
        )  # fmt: skip
    row = row_of(change) or named.mutation_id
    unread = dict.fromkeys(change) or {"change": None}
    return Mutation(
        named.sequence, named.mutation_id, UNREADABLE, row, captured_at, None, {}, kept, unread
    )


def _in_parts(called: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The parts of a call for help that can be read, by their Python names, and those that cannot, as they came."""
    fields: dict[str, Any] = {}
    unread: dict[str, Any] = {}
    for name, value in called.items():
        known = _structs().parts.get(name)
        if known is not None and value is None:
            continue
        try:
            if known is None:
                raise ValueError(name)
            found: Any = msgspec.convert({"it": value}, known[1])
            fields[known[0]] = clean(found.it)
        except (msgspec.ValidationError, ValueError, TypeError):
            unread[name] = value
    return fields, unread


def row_of(change: Any) -> UUID | None:
    """The row that the only member of a change names, if it can be told."""
    if not isinstance(change, Mapping):
        return None
    for member in change.values():
        try:
            return UUID(member["id"])
        except (KeyError, ValueError, TypeError, AttributeError):
            continue
    return None


def clean(value: Any, levels: int = DEEPEST) -> Any:
    """JSON that PostgreSQL can hold: without the one character that it cannot, and without what lies too deep."""
    if isinstance(value, str):
        return value.replace("\0", "\ufffd")
    if not isinstance(value, Mapping | list):
        return value
    if not levels:
        return "…"
    if isinstance(value, Mapping):
        return {clean(key): clean(inner, levels - 1) for key, inner in value.items()}
    return [clean(inner, levels - 1) for inner in value]
