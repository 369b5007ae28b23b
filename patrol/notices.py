"""The rules of notices: who may let officers know something, and who may withdraw it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from patrol.audit import audit
from patrol.errors import AlreadyExists, NotAllowed, NotFound, VariableInvalid
from patrol.pushes import tell_of_notice
from storage.database import Connection
from storage.notices import INSERT_NOTICE, READ_NOTICE, WITHDRAW_NOTICE
from storage.officers import READ_RANK
from storage.vocabulary import NoticeSeverity, OfficerRole
from storage.zones import OWN_ZONES

PUSHED = (NoticeSeverity.WARNING, NoticeSeverity.URGENT)
"""What officers are told of by a push; the rest they find at their next pull."""


@dataclass(frozen=True, slots=True)
class NewNotice:
    """A notice to a zone or, without one, to the whole staff of a station. Times are aware.

    Without `valid_from` it holds at once, without `expires_at` until it is withdrawn.
    """

    id: UUID
    severity: NoticeSeverity
    title: str
    body: str
    title_th: str | None = None
    body_th: str | None = None
    zone_id: UUID | None = None
    valid_from: datetime | None = None
    expires_at: datetime | None = None


async def require_supervisor(connection: Connection, officer: UUID) -> UUID:
    """The station of a supervisor.

    Raises:
        NotAllowed: he is none.
    """
    rank = await connection.fetchrow(READ_RANK, officer)
    if rank is None or rank["role"] != OfficerRole.SUPERVISOR:
        raise NotAllowed("Only a supervisor posts and withdraws notices.")
    return UUID(str(rank["station_id"]))


async def post_notice(
    connection: Connection, station: UUID, notice: NewNotice, posted_by: UUID | None
) -> UUID:
    """Posts a notice; the same one again changes nothing.

    Args:
        posted_by: the officer who posts; None for an administrator.

    Returns:
        The scope that now has it.

    Raises:
        NotFound: the station has no such zone.
        VariableInvalid: it has expired already.
        AlreadyExists: another notice has this id.
    """
    if notice.zone_id is not None and not await connection.fetch(
        OWN_ZONES, station, [notice.zone_id]
    ):
        raise NotFound("The station has no such zone.")
    if notice.expires_at is not None and notice.expires_at <= datetime.now(UTC):
        raise VariableInvalid("`expiresAt` has passed, so nobody would see the notice.")
    scope = await connection.fetchval(
        INSERT_NOTICE,
        notice.id,
        station,
        notice.zone_id,
        notice.severity.value,
        notice.title,
        notice.title_th,
        notice.body,
        notice.body_th,
        notice.valid_from,
        notice.expires_at,
        posted_by,
    )
    if scope is None:
        stored = await connection.fetchrow(READ_NOTICE, notice.id)
        given = (
            station,
            notice.zone_id,
            notice.severity.value,
            notice.title,
            notice.body,
            posted_by,
        )
        names = ("station_id", "zone_id", "severity", "title", "body", "posted_by")
        if tuple(stored[name] for name in names) != given:
            raise AlreadyExists("Another notice has this id already.")
        return UUID(str(stored["scope_id"]))
    # The text stands in the row; the log says who let whom know, and when.
    await audit(connection, "notice.post", notice.id, scope=scope, severity=notice.severity.value)
    if notice.severity in PUSHED:
        await tell_of_notice(connection, notice.id, notice.valid_from)
    return UUID(str(scope))


async def withdraw_notice(connection: Connection, notice: UUID, station: UUID | None) -> UUID:
    """Takes a notice off every phone; twice is no mistake.

    Args:
        station: the station that it must be of; None for any.

    Returns:
        The scope that had it.

    Raises:
        NotFound: there is no such notice, or it is another station's.
    """
    scope = await connection.fetchval(WITHDRAW_NOTICE, notice, station)
    if scope is None:
        raise NotFound("There is no such notice.")
    await audit(connection, "notice.withdraw", notice, scope=scope)
    return UUID(str(scope))
