"""Reads what a revoked phone hands in: by the same inputs as a push, so that a replay applies it by the same rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass
from typing import Annotated, Any
from uuid import UUID

import msgspec
from graphql import GraphQLNonNull, GraphQLSchema

from patrol.errors import VariableInvalid
from patrol.sync.kinds import KINDS
from patrol.sync.surrender import HandedMutation
from schema.changes import decoded
from schema.enums import Lane
from schema.mutations.inputs import Slot, Structs


class _Handed(msgspec.Struct, rename="camel"):
    """A mutation of any release of the app: only what names it must be readable."""

    sequence: Annotated[int, msgspec.Meta(ge=0, lt=2**53)]
    mutation_id: UUID
    captured_at: Annotated[str, msgspec.Meta(max_length=64)]
    change: dict[str, Any]


class _Batch(msgspec.Struct, rename="camel"):
    lane: Lane
    mutations: list[_Handed]


@dataclass(frozen=True, slots=True)
class HandedBatch:
    """Mutations of one lane."""

    lane: Lane
    mutations: list[HandedMutation]


class Surrenders:
    """The reader of one phone contract."""

    def __init__(self, schema: GraphQLSchema) -> None:
        kind: Any = schema.type_map["MutationInput"]
        slot = Slot("mutation", "mutation", GraphQLNonNull(kind), MISSING)
        self._struct = Structs().make("Handed", [slot])

    def read(self, batch: str) -> HandedBatch:
        """The mutations of a batch, a JSON object with `lane` and `mutations` as a push has them.

        A change that this release cannot read is kept as it is: a later one may.

        Raises:
            VariableInvalid: it cannot be told what lane or which mutations it is of.
        """
        try:
            read = msgspec.json.decode(batch, type=_Batch)
        except msgspec.ValidationError as error:
            raise VariableInvalid(f"batch: {error}.", path="batch") from None
        except (msgspec.DecodeError, RecursionError):
            raise VariableInvalid("batch: it is no JSON.", path="batch") from None
        return HandedBatch(
            read.lane,
            [HandedMutation(one.sequence, one.mutation_id, self._payload(one, read.lane)) for one in read.mutations],
        )  # fmt: skip

    def _payload(self, one: _Handed, lane: Lane) -> dict[str, Any]:
        raw = msgspec.to_builtins(one)
        try:
            found: Any = msgspec.convert({"mutation": raw}, self._struct)
            mutation = decoded(found.mutation)
        except (msgspec.ValidationError, ValueError, TypeError):
            return {"kind": "unreadable", "raw": _plain(raw)}
        if KINDS[mutation.kind].lane is not lane:
            return {"kind": "unreadable", "raw": _plain(raw)}
        return mutation.payload


def _plain(value: Any) -> Any:
    """JSON that PostgreSQL can hold: without the one character that it cannot."""
    if isinstance(value, str):
        return value.replace("\0", "\ufffd")
    if isinstance(value, Mapping):
        return {_plain(key): _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list) else value
