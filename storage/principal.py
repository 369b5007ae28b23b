"""Who a request runs as: the one value that a connection is told before any statement."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID


class Role(StrEnum):
    """The database roles behind the doors. None owns a table; none can bypass a row policy."""

    PHONE = "patrol_phone"
    PARTNER = "patrol_partner"
    ADMIN = "patrol_admin"
    WRITER = "patrol_writer"
    SYSTEM = "patrol_system"


class PrincipalKind(StrEnum):
    """The kinds of who is who."""

    OFFICER = "officer"
    PARTNER = "partner"
    CAMERA = "camera"
    POST = "post"
    ADMIN = "admin"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody whose credential was recognised.

    `credential_id` is the session, key or token that proves it; whether it is still good is asked of the database at
    each checkout, so that a revocation takes effect at once. `device_id` is set for officers only.
    """

    kind: PrincipalKind
    id: UUID | str
    credential_id: UUID | None = None
    device_id: UUID | None = None

    def __str__(self) -> str:
        return f"{self.kind}:{self.id}"


def system(name: str) -> Principal:
    """The product itself, named by the part that acts: `system("worker")`."""
    return Principal(PrincipalKind.SYSTEM, name)
