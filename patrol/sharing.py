"""Partner organisations and the sharing agreements that say what each of them may see."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from patrol.audit import audit
from patrol.errors import AlreadyExists, BadRequest, NotFound
from storage.database import Connection
from storage.sharing import (
    FIND_ORGANISATION,
    INSERT_AGREEMENT,
    INSERT_AGREEMENT_ZONES,
    INSERT_ORGANISATION,
    REVOKE_AGREEMENT,
)
from storage.vocabulary import DetailLevel, Sector, SharingSubject


async def add_partner(
    connection: Connection, *, code: str, name: str, name_th: str, sector: Sector
) -> UUID:
    """Adds a partner organisation, which sees nothing until an agreement grants it something.

    Raises:
        AlreadyExists: the code is taken.
    """
    organisation = await connection.fetchval(
        INSERT_ORGANISATION, uuid7(), code, name, name_th, sector.value
    )
    if organisation is None:
        raise AlreadyExists(f"There is a partner {code} already.")
    await audit(connection, "partner.add", organisation, code=code, sector=sector.value)
    return UUID(str(organisation))


async def find_partner(connection: Connection, code: str) -> dict[str, Any]:
    """A partner: id, code, name, name_th, sector, active.

    Raises:
        NotFound: no partner has this code.
    """
    row = await connection.fetchrow(FIND_ORGANISATION, code)
    if row is None:
        raise NotFound(f"There is no partner {code}.")
    return dict(row)


async def grant(
    connection: Connection,
    organisation_id: UUID,
    zones: Sequence[UUID],
    subjects: Sequence[SharingSubject],
    *,
    detail: DetailLevel = DetailLevel.COARSE,
    delay: timedelta = timedelta(0),
    valid_from: datetime | None = None,
    valid_until: datetime | None = None,
) -> UUID:
    """Adds a sharing agreement over exactly these zones and subjects; agreements of one partner add up.

    Args:
        delay: holds back what the station received, or changed, more recently than this.
        valid_from: aware; by default now.
        valid_until: aware; by default the agreement holds until it is revoked.

    Raises:
        BadRequest: nothing would be granted, or the period is empty.
    """
    begins = valid_from or datetime.now(UTC)
    if not zones or not subjects:
        raise BadRequest("An agreement names at least one zone and one subject.")
    if valid_until is not None and valid_until <= begins:
        raise BadRequest("The agreement would end before it begins.")
    if delay < timedelta(0):
        raise BadRequest("A delay cannot be negative.")
    agreement = uuid7()
    await connection.execute(
        INSERT_AGREEMENT,
        agreement,
        organisation_id,
        list(dict.fromkeys(subject.value for subject in subjects)),
        detail.value,
        int(delay.total_seconds()),
        begins,
        valid_until,
    )
    await connection.execute(INSERT_AGREEMENT_ZONES, agreement, list(dict.fromkeys(zones)))
    await audit(
        connection,
        "agreement.grant",
        agreement,
        organisation=organisation_id,
        zones=list(zones),
        subjects=list(subjects),
        detail=detail.value,
        delay_seconds=int(delay.total_seconds()),
        valid_from=begins,
        valid_until=valid_until,
    )
    return agreement


async def revoke(connection: Connection, agreement_id: UUID) -> None:
    """Ends an agreement at once.

    Raises:
        NotFound: there is no such agreement, or it was revoked already.
    """
    organisation = await connection.fetchval(REVOKE_AGREEMENT, agreement_id)
    if organisation is None:
        raise NotFound("There is no such agreement that still holds.")
    await audit(connection, "agreement.revoke", agreement_id, organisation=organisation)
