"""What the rules need from those who carry messages: a push service for phones, and a teller for fallback channels."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal, Protocol
from uuid import UUID

from storage.vocabulary import ChannelOutcome

LONGEST_TTL_SECONDS = 28 * 24 * 3600
"""Push services keep a message for at most four weeks."""

_CODE = re.compile(r"[A-Z][A-Z0-9_]{0,31}\Z")


@dataclass(frozen=True, slots=True)
class PushAddress:
    """Where one installation of the app is reached.

    `fid` is an installation id; `token` is the older registration token that phones hold which have not been
    updated yet. The two are never interchangeable, so the kind travels with the value.
    """

    kind: Literal["fid", "token"]
    value: str

    def __post_init__(self) -> None:
        if self.kind not in ("fid", "token"):
            raise ValueError("a push address is of kind fid or token")
        if not self.value:
            raise ValueError("a push address is never empty")

    def __repr__(self) -> str:
        # An address lets whoever holds our credentials ring this phone, so it must not reach a log by accident.
        return f"PushAddress(kind={self.kind!r}, value='…')"


@dataclass(frozen=True, slots=True)
class Notification:
    """What a phone is told: ids and codes only, so that no name, place or text can pass the push service.

    `kind` and `severity` are codes (capitals, digits and underscores, at most 32). `urgent` wakes a sleeping phone
    and shows a notice (an SOS); otherwise the phone learns quietly, when its system allows it, that it should pull.
    `ttl_seconds` is how long the service may keep the message for a phone that is away. `open_alert_ids` are all
    alerts that are open for the receiver, the most pressing first: one message that arrives makes up for those
    that did not; `open_for` has them for the addresses for which others are open than for the rest. `notice_id` and
    `test_id` name what a push of those kinds is about. `silent` shows itself and makes no sound: whoever raised
    the alert must not be betrayed by a phone nearby.
    """

    kind: str
    ttl_seconds: int
    urgent: bool = False
    drill: bool = False
    alert_id: UUID | None = None
    step_id: UUID | None = None
    severity: str | None = None
    open_alert_ids: tuple[UUID, ...] = ()
    open_for: Mapping[PushAddress, tuple[UUID, ...]] = field(default_factory=dict)
    notice_id: UUID | None = None
    test_id: UUID | None = None
    silent: bool = False

    @property
    def goes_first(self) -> bool:
        """Whether everything else that is to be sent waits for this: it is a call for help, and no rehearsal of it."""
        return self.kind == "SOS"

    def __post_init__(self) -> None:
        for code in (self.kind, self.severity):
            if code is not None and not _CODE.match(code):
                raise ValueError("kind and severity are codes, never text")
        if not 0 < self.ttl_seconds <= LONGEST_TTL_SECONDS:
            raise ValueError(f"a push lives between 1 and {LONGEST_TTL_SECONDS} seconds")


class Outcome(StrEnum):
    """What became of one push; only DEAD says anything about the address."""

    ACCEPTED = "ACCEPTED"
    """The service took it. That is not yet delivery: only the phone can report that."""
    DEAD = "DEAD"
    """The address reaches nobody any more and is to be retired; the chain advances at once."""
    RETRY = "RETRY"
    """Not now: send again later, not before `retry_after` where it is given. The phone may still have got it."""
    FAILED = "FAILED"
    """Sending the same again fails again; the address may be good and is kept."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of one push to one address.

    `reason` is a stable code for the ledger, None when accepted. `message_id` is the service's own id of an accepted
    message. `retry_after` is in seconds from `at`, given only when the service named it. `at` (aware, UTC) is when
    the outcome was known.
    """

    address: PushAddress
    outcome: Outcome
    at: datetime
    reason: str | None = None
    message_id: str | None = None
    retry_after: float | None = None


class Notifier(Protocol):
    """Sends pushes; the process hands one in."""

    @property
    def enabled(self) -> bool:
        """False when no push service is configured: then only the live subscription reaches phones."""

    async def send(
        self, notification: Notification, addresses: Sequence[PushAddress]
    ) -> list[Delivery]:
        """Sends to the addresses in this order, the most important first, and gives one outcome for each.

        The outcomes are in the order of `addresses`. It ends within a fixed time whatever the service does, and it
        raises nothing on account of the service or of an address.
        """


@dataclass(frozen=True, slots=True)
class SealedAddress:
    """Where a fallback channel leads: its address with its credentials, readable for the teller alone.

    `scheme` is all of it that people are shown.
    """

    channel_id: UUID
    scheme: str
    sealed: bytes

    def __repr__(self) -> str:
        return (
            f"SealedAddress(channel_id={str(self.channel_id)!r}, scheme={self.scheme!r}, sealed=…)"
        )


@dataclass(frozen=True, slots=True)
class Telling:
    """One text for one channel; a service that knows no title puts it before the text."""

    to: SealedAddress
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Told:
    """What became of one telling. `reason` is a stable code, None when told; `at` (aware, UTC) is when it was known."""

    channel_id: UUID
    outcome: ChannelOutcome
    at: datetime
    reason: str | None = None


class Teller(Protocol):
    """Tells people through what needs no phone of ours; the process hands one in."""

    def seal(self, channel_id: UUID, address: str) -> SealedAddress:
        """Seals an address for one channel.

        Raises:
            ChannelAddressInvalid: the address is none that can be told, or it would act on this machine.
        """

    def alert_link(self, alert_id: UUID) -> str | None:
        """The control room's page of an alert, where there is one."""

    async def tell(self, tellings: Sequence[Telling]) -> list[Told]:
        """Tells all at once and gives one outcome for each, in their order.

        It ends within a fixed time whatever the services do, and it raises nothing on account of a channel.
        """
