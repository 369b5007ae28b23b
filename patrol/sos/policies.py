"""Keeps each station's escalation policy: every version for ever, because alerts name the one that they were raised under."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from uuid_utils.compat import uuid7

from patrol.audit import audit
from patrol.errors import AlreadyExists, NotFound, PolicyInvalid
from patrol.sos.policy import BUILT_IN, Policy, read_policy, stored_policy
from storage.database import Connection
from storage.escalation import COUNT_STAFF, INSERT_POLICY, LOCK_POLICY, READ_POLICY, STORED_POLICIES
from storage.vocabulary import StepTarget

LONGEST_REASON = 1000


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a station's policy. The built-in one is version 0, without an id and set by nobody."""

    version: int
    policy: Policy
    id: UUID | None = None
    set_by: str | None = None
    reason: str = ""
    created_at: datetime | None = None


async def policy_in_force(
    connection: Connection, station: UUID, version: int | None = None
) -> Version:
    """A version of a station's policy; without a number the one that its next alert is raised under.

    Raises:
        NotFound: the station has no such version.
    """
    row = None if version == 0 else await connection.fetchrow(READ_POLICY, station, version)
    if row is not None:
        return _version(row)
    if version:
        raise NotFound(f"The station has no version {version} of its policy.")
    return Version(0, BUILT_IN)


async def versions(connection: Connection, station: UUID, limit: int = 100) -> list[Version]:
    """The versions that a station has set, the newest first."""
    return [_version(row) for row in await connection.fetch(STORED_POLICIES, station, limit)]


async def set_policy(
    connection: Connection,
    station: UUID,
    document: Any,
    *,
    by: str,
    reason: str = "",
    base_version: int | None = None,
) -> Version:
    """Gives a station a new version of its policy; alerts that are raised already keep theirs. The same policy as the one
    in force makes no new version.

    Args:
        document: see `patrol.sos.policy`.
        base_version: the version that the author looked at, so that two do not overwrite each other.

    Raises:
        PolicyInvalid: it is none, or it reaches nobody of this station.
        AlreadyExists: somebody else has set another version meanwhile.
    """
    policy = read_policy(document)
    if len(reason) > LONGEST_REASON:
        raise PolicyInvalid(f"The reason has at most {LONGEST_REASON} characters.")
    await _require_people(connection, station, policy)
    await connection.execute(LOCK_POLICY, station)
    before = await policy_in_force(connection, station)
    if base_version is not None and base_version != before.version:
        raise AlreadyExists(f"Version {before.version} was set meanwhile; look at it first.")
    if before.version > 0 and before.policy == policy:
        return before
    new = uuid7()
    await connection.execute(
        INSERT_POLICY,
        new,
        station,
        before.version + 1,
        orjson.dumps(policy.document()).decode(),
        by,
        reason,
    )
    await audit(connection, "escalation.set", station, version=before.version + 1, reason=reason)
    return await policy_in_force(connection, station)


async def _require_people(connection: Connection, station: UUID, policy: Policy) -> None:
    """Refuses a policy whose last resort is empty: on duty and in a zone there may be nobody at any time."""
    staff = await connection.fetchrow(COUNT_STAFF, station)
    targets = {step.target for step in policy.steps}
    if staff["staff"] == 0:
        raise PolicyInvalid("The station has no active officer, so the policy reaches nobody.")
    if StepTarget.STATION not in targets and staff["supervisors"] == 0:
        raise PolicyInvalid(
            "The station has no active supervisor, so the policy may reach nobody: add a step to STATION."
        )


def _version(row: Any) -> Version:
    return Version(
        row["version"],
        stored_policy(orjson.loads(row["content"])),
        row["id"],
        row["set_by"],
        row["reason"],
        row["created_at"],
    )
