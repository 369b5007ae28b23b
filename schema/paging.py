"""Where a page of a connection stands; one class per contract, because Strawberry keeps state per schema in fields."""

from __future__ import annotations

import strawberry

_DESCRIPTION = (
    "Where a page stands. Pass `endCursor` as `after` to go on; inserts never shift a page."
)


@strawberry.type(description=_DESCRIPTION)
class PageInfo:
    has_next_page: bool
    has_previous_page: bool
    start_cursor: str | None
    end_cursor: str | None


@strawberry.type(name="PageInfo", description=_DESCRIPTION)
class PartnerPageInfo:
    has_next_page: bool
    has_previous_page: bool
    start_cursor: str | None
    end_cursor: str | None


@strawberry.type(name="PageInfo", description=_DESCRIPTION)
class AdminPageInfo:
    has_next_page: bool
    has_previous_page: bool
    start_cursor: str | None
    end_cursor: str | None
