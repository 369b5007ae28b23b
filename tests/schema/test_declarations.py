"""What a contract declares and no database or client could follow is found when the door opens, with the field's name."""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Any
from uuid import UUID

import pytest
import strawberry

from patrol.errors import NotGranted
from schema.door import Door
from schema.planner import (
    Columns,
    Conditions,
    Order,
    PlanError,
    Reading,
    computed,
    many,
    page,
    reads,
)
from schema.scalars import config
from storage import tables
from storage.principal import Role

BY_NAME = {"NAME": Order("name")}


@reads(tables.Camera, name="Camera")
class Lens:
    id: UUID


@strawberry.type
class Place:
    has_next_page: bool


@strawberry.type
class LensConnection:
    nodes: list[Lens]
    page_info: Place


def whole(row: Columns, first: int = 50, after: str | None = None) -> Conditions:
    yield row.deleted_at.is_(None)


def opened(*, below: Any = None, leaf: Any = None, root: Any = None) -> Door:
    """A door over zones with one declaration that is tried."""
    members: dict[str, Any] = {"__annotations__": {"id": UUID}}
    if below is not None:
        members["lenses"] = below
    if leaf is not None:
        members |= {"__annotations__": {"id": UUID, "leaf": str}, "leaf": leaf}
    zone = reads(tables.Zone, name="Zone")(type("Area", (), members))
    rows = strawberry.type(type("Rows", (), {"__annotations__": {"nodes": list[zone]}}))  # type: ignore[valid-type] # made here
    usual = page(returns=rows, order=BY_NAME)(whole)
    query = type("Query", (), {"rows": usual, **({} if root is None else {"more": root})})
    schema = strawberry.Schema(query=strawberry.type(query), config=config())
    return Door.of("test", Role.PHONE, schema)


def test_a_sound_declaration_opens() -> None:
    assert opened(below=many("zone_id", returns=LensConnection, order=BY_NAME)(whole))


@pytest.mark.parametrize(
    ("remote", "order", "column"),
    [("zone", BY_NAME, "zone"), ("zone_id", {"X": Order("colour")}, "colour")],
)
def test_a_connection_below_a_row_over_a_missing_column_is_named(
    remote: str, order: dict[str, Order], column: str
) -> None:
    with pytest.raises(
        PlanError, match=rf"Zone\.lenses reads the column '{column}', which camera does not have"
    ):
        opened(below=many(remote, returns=LensConnection, order=order)(whole))


def test_a_rule_below_a_row_over_a_missing_column_is_named() -> None:
    def coloured(row: Columns, colour: str | None = None, after: str | None = None) -> Conditions:
        yield row.colour == colour

    with pytest.raises(PlanError, match=r"Zone\.lenses has a rule over the column colour"):
        opened(below=many("zone_id", returns=LensConnection, order=BY_NAME)(coloured))


def test_parents_may_not_be_refused_where_no_refusal_can_be_told() -> None:
    async def admit(_: Reading, parents: Any, __: Any) -> dict[Any, NotGranted]:
        return {one: NotGranted() for one in parents}

    with pytest.raises(PlanError, match=r"Zone\.lenses refuses some parents, but its type has no"):
        opened(below=many("zone_id", returns=LensConnection, order=BY_NAME, admit=admit)(whole))


def test_a_page_over_its_own_limit_is_named() -> None:
    for declared in (
        {"below": many("zone_id", returns=LensConnection, order=BY_NAME, limit=20)(whole)},
        {"root": page(returns=LensConnection, order=BY_NAME, limit=20)(whole)},
    ):
        with pytest.raises(
            PlanError, match="gives 50 rows where `first` is not given, and its limit is 20"
        ):
            opened(**declared)


def test_a_next_page_that_nobody_can_ask_for_is_named() -> None:
    def cut(row: Columns, first: int = 50) -> Conditions:
        yield row.deleted_at.is_(None)

    with pytest.raises(
        PlanError, match=r"Zone\.lenses tells of a next page, but has no argument `after`"
    ):
        opened(below=many("zone_id", returns=LensConnection, order=BY_NAME)(cut))


def test_a_list_without_an_order_is_named() -> None:
    with pytest.raises(PlanError, match=r"Zone\.lenses has no order"):
        opened(below=many("zone_id", returns=LensConnection, order={})(whole))


@strawberry.enum
class Sorting(Enum):
    NAME = "NAME"
    CODE = "CODE"


def test_an_order_that_the_list_does_not_have_is_named() -> None:
    def sorted_rows(
        row: Columns, after: str | None = None, order: Sorting = Sorting.NAME
    ) -> Conditions:
        yield row.deleted_at.is_(None)

    with pytest.raises(
        PlanError, match=r"Zone\.lenses is ordered by NAME, but .* takes CODE, NAME"
    ):
        opened(below=many("zone_id", returns=LensConnection, order=BY_NAME)(sorted_rows))


def test_a_member_that_no_connection_has_is_named() -> None:
    @strawberry.type
    class Odd:
        nodes: list[Lens]
        mood: str

    with pytest.raises(PlanError, match=r"Odd\.mood is not a member of a connection"):
        opened(below=many("zone_id", returns=Odd, order=BY_NAME)(whole))


def test_a_list_that_answers_no_rows_is_named() -> None:
    with pytest.raises(PlanError, match=r"Zone\.lenses answers no rows: Place is no connection"):
        opened(below=many("zone_id", returns=Place, order=BY_NAME)(whole))


def written(_: Reading, name: str, again: Annotated[str, strawberry.argument(name="and")]) -> str:
    return name + again


def test_a_leaf_with_arguments_is_sound() -> None:
    assert opened(leaf=computed("name", by=written))


def test_a_leaf_with_arguments_over_a_missing_column_is_named() -> None:
    with pytest.raises(PlanError, match=r"Zone\.leaf reads the column 'nmae'"):
        opened(leaf=computed("nmae", by=written))


def test_a_function_that_does_not_take_its_columns_is_named() -> None:
    def short(_: Reading, name: str) -> str:
        return name

    with pytest.raises(
        PlanError, match=r"Zone\.leaf is computed from name, code, but short has too many"
    ):
        opened(leaf=computed("name", "code", by=short))
