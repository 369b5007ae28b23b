"""Reads what a revoked phone hands in: by the same inputs as a push, so that a replay applies it by the same rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import orjson

from patrol.errors import VariableInvalid
from patrol.sync.kinds import KINDS
from patrol.sync.mutation import UNREADABLE
from patrol.sync.surrender import HandedMutation
from schema.enums import Lane
from schema.reading import Named, clean, read_change


class _Batch(msgspec.Struct, rename="camel"):
    lane: Lane
    mutations: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class HandedBatch:
    """Mutations of one lane."""

    lane: Lane
    mutations: list[HandedMutation]


def read_batch(batch: str) -> HandedBatch:
    """The mutations of a batch, a JSON object with `lane` and `mutations` as a push has them.

    A change that this release cannot read is kept as it is: a later one may.

    Raises:
        VariableInvalid: it cannot be told what lane or which mutations it is of.
    """
    try:
        # By the reader of a push: whole numbers beyond 64 bits become what can be stored.
        read = msgspec.convert(orjson.loads(batch), _Batch)
        named = msgspec.convert(read.mutations, list[Named])
    except msgspec.ValidationError as error:
        raise VariableInvalid(f"batch: {error}.", path="batch") from None
    except orjson.JSONDecodeError:
        raise VariableInvalid("batch: it is no JSON.", path="batch") from None
    return HandedBatch(
        read.lane,
        [
            HandedMutation(one.sequence, one.mutation_id, _payload(raw, read.lane))
            for one, raw in zip(named, read.mutations, strict=True)
        ],
    )


def _payload(raw: Mapping[str, Any], lane: Lane) -> dict[str, Any]:
    mutation = read_change(raw)
    if mutation is None or KINDS[mutation.kind].lane is not lane:
        return {"kind": UNREADABLE, "raw": clean(raw)}
    return mutation.payload
