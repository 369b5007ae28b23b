"""Reads the times that phones write, because a wrong clock may never cost a record.

Three things go wrong on real phones in Thailand: the calendar is Buddhist (543 years ahead, where 29 February 2567 is
a real day but no Gregorian one), the digits are Thai, and the clock is simply wrong (reset to 1970, or set by hand).
Nothing here raises because of what a phone wrote: what cannot be trusted becomes the time of arrival, marked suspect,
and the phone's own words are kept.

Hand over the text as it came. A decoder that makes a datetime of it first refuses 2567-02-29 before this is asked.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

from storage.vocabulary import Term

BUDDHIST_YEARS = 543
"""The Thai calendar is ahead of the Gregorian one by this; its months and days are the same since 1941."""

AHEAD_ALLOWED = timedelta(minutes=5)
"""Clocks drift; a record that is this little ahead of its arrival is taken as written."""

EARLIEST = datetime(2015, 1, 1, tzinfo=UTC)
"""No phone that can run the app was switched on before; an earlier time is a clock that was reset."""

RAW_LIMIT = 100
"""Characters kept of what the phone wrote; a time is never longer."""

_THAI_DIGITS = str.maketrans("๐๑๒๓๔๕๖๗๘๙", "0123456789")

_ISO = re.compile(
    r"\s*(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?"
    r"\s*(?:(Z)|([+-])(\d\d):?(\d\d))?\s*",
    re.ASCII | re.IGNORECASE,
)


class ClockReason(Term):
    """What was noticed about a phone's time."""

    BUDDHIST_ERA = "BUDDHIST_ERA", "Written in the Buddhist era and converted; not suspect."
    NO_OFFSET = "NO_OFFSET", "Written without an offset and read as UTC."
    FUTURE = "FUTURE", "More than five minutes after its arrival; the time of arrival is used."
    TOO_OLD = "TOO_OLD", "Before 2015; the time of arrival is used."
    UNREADABLE = "UNREADABLE", "Not a date and time; the time of arrival is used."


@dataclass(frozen=True, slots=True)
class PhoneTime:
    """A phone's time as it is stored."""

    at: datetime
    """The time to work with, UTC."""

    raw: str
    """What the phone wrote, at most `RAW_LIMIT` characters, unprintable ones escaped so that any database takes it."""

    suspect: bool
    """Whether `at` should be doubted by whoever uses it as evidence."""

    reason: ClockReason | None = None
    """What was noticed, or None when the time was taken as written."""


def read_phone_time(raw: datetime | str, received_at: datetime) -> PhoneTime:
    """The best time for a record that arrived at `received_at` (aware).

    Raises:
        ValueError: `received_at` has no offset. That is our own mistake, never the phone's.
    """
    if received_at.tzinfo is None:
        raise ValueError("received_at must be an aware datetime")
    arrival = received_at.astimezone(UTC)
    if isinstance(raw, str) and _ISO.fullmatch(raw):
        # Nearly always the clock is right and its text plain; part by part it takes four times as long.
        with suppress(ValueError):
            plain = datetime.fromisoformat(raw)
            if plain.tzinfo is not None and EARLIEST <= plain <= arrival + AHEAD_ALLOWED:
                return PhoneTime(plain.astimezone(UTC), raw, False)
    kept = _printable(raw.isoformat() if isinstance(raw, datetime) else raw)

    written = _Written.of(raw)
    if written is None:
        return PhoneTime(arrival, kept, True, ClockReason.UNREADABLE)

    at = written.utc(written.year)
    reason = None
    if at is None or at > arrival + AHEAD_ALLOWED:
        # Only a Buddhist reading that makes sense counts: a year that is wrong in both calendars is a wrong clock.
        converted = written.utc(written.year - BUDDHIST_YEARS)
        if converted is not None and converted >= EARLIEST:
            at, reason = converted, ClockReason.BUDDHIST_ERA
    if at is None:
        return PhoneTime(arrival, kept, True, ClockReason.UNREADABLE)
    if at > arrival + AHEAD_ALLOWED:
        return PhoneTime(arrival, kept, True, ClockReason.FUTURE)
    if at < EARLIEST:
        return PhoneTime(arrival, kept, True, ClockReason.TOO_OLD)
    if not written.has_offset:
        return PhoneTime(at, kept, True, ClockReason.NO_OFFSET)
    return PhoneTime(at, kept, False, reason)


@dataclass(frozen=True, slots=True)
class _Written:
    """A time in the parts it was written in, before anyone has decided on the calendar."""

    year: int
    month: int
    day: int
    hour: int
    minute: int
    second: int
    microsecond: int
    offset: timedelta
    has_offset: bool

    @classmethod
    def of(cls, raw: datetime | str) -> _Written | None:
        if isinstance(raw, datetime):
            offset = raw.utcoffset()
            clock = (raw.hour, raw.minute, raw.second, raw.microsecond)
            date = (raw.year, raw.month, raw.day)
            return cls(*date, *clock, offset or timedelta(0), offset is not None)
        # The limit keeps a megabyte of blanks from being searched.
        match = _ISO.fullmatch(raw[:RAW_LIMIT].translate(_THAI_DIGITS))
        if match is None:
            return None
        *date_time, fraction, zulu, sign, hours, minutes = match.groups()
        year, month, day, hour, minute, second = (int(part or 0) for part in date_time)
        offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
        return cls(
            year,
            month,
            day,
            hour,
            minute,
            second,
            int((fraction or "0").ljust(6, "0")[:6]),
            -offset if sign == "-" else offset,
            bool(zulu or sign),
        )

    def utc(self, year: int) -> datetime | None:
        """The moment if `year` is meant, or None where no such day or offset exists."""
        try:
            zone = timezone(self.offset)
            clock = (self.hour, self.minute, self.second, self.microsecond)
            return datetime(year, self.month, self.day, *clock, tzinfo=zone).astimezone(UTC)
        except (ValueError, OverflowError):
            return None


def _printable(text: str) -> str:
    if text[:RAW_LIMIT].isprintable():
        return text[
            :RAW_LIMIT
        ]  # nearly always; character by character it costs half of reading a time
    shown = "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in text[:RAW_LIMIT]
    )
    return shown[:RAW_LIMIT]
