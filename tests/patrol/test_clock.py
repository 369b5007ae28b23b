"""A phone's clock may be wrong in every way, and still its record is taken."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patrol.clock import AHEAD_ALLOWED, EARLIEST, RAW_LIMIT, ClockReason, read_phone_time

ARRIVAL = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
BANGKOK = timezone(timedelta(hours=7))


@pytest.mark.parametrize(
    "raw",
    [
        "2026-05-01T11:30:00Z",
        "2026-05-01 18:30:00+07:00",
        "2026-05-01T18:30+0700",
        "2026-05-01T11:30:00.000000000z",
        "๒๐๒๖-๐๕-๐๑T๑๘:๓๐:๐๐+๐๗:๐๐",
        datetime(2026, 5, 1, 18, 30, tzinfo=BANGKOK),
    ],
)
def test_a_good_time_is_taken_as_written(raw: str | datetime) -> None:
    time = read_phone_time(raw, ARRIVAL)
    assert time.at == datetime(2026, 5, 1, 11, 30, tzinfo=UTC)
    assert time.at.tzinfo is UTC
    assert not time.suspect
    assert time.reason is None


@pytest.mark.parametrize(
    ("raw", "at"),
    [
        ("2569-05-01T11:30:00Z", datetime(2026, 5, 1, 11, 30, tzinfo=UTC)),
        ("๒๕๖๙-๐๕-๐๑T๑๘:๓๐:๐๐+๐๗:๐๐", datetime(2026, 5, 1, 11, 30, tzinfo=UTC)),
        # A leap day of both calendars that no Gregorian year 2567 has.
        ("2567-02-29T08:00:00+07:00", datetime(2024, 2, 29, 1, 0, tzinfo=UTC)),
        # In Thailand it is New Year already, in UTC not yet.
        ("2568-01-01T03:00:00+07:00", datetime(2024, 12, 31, 20, 0, tzinfo=UTC)),
        (datetime(2569, 5, 1, 18, 30, tzinfo=BANGKOK), datetime(2026, 5, 1, 11, 30, tzinfo=UTC)),
    ],
)
def test_a_buddhist_year_is_converted_and_not_doubted(raw: str | datetime, at: datetime) -> None:
    time = read_phone_time(raw, ARRIVAL)
    assert (time.at, time.suspect, time.reason) == (at, False, ClockReason.BUDDHIST_ERA)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("2026-05-01T12:05:01Z", ClockReason.FUTURE),
        ("2569-05-03T12:00:00Z", ClockReason.FUTURE),
        ("2100-01-01T00:00:00Z", ClockReason.FUTURE),
        ("9999-12-31T23:59:59-12:00", ClockReason.FUTURE),
        ("2513-01-01T00:00:00Z", ClockReason.FUTURE),
        ("1970-01-01T00:00:12Z", ClockReason.TOO_OLD),
        ("2014-12-31T23:59:59Z", ClockReason.TOO_OLD),
        ("2025-02-29T00:00:00Z", ClockReason.UNREADABLE),
        ("2569-02-29T00:00:00Z", ClockReason.UNREADABLE),
        ("0000-00-00T00:00:00Z", ClockReason.UNREADABLE),
        ("2026-05-01T11:30:00+99:99", ClockReason.UNREADABLE),
        ("yesterday", ClockReason.UNREADABLE),
        ("", ClockReason.UNREADABLE),
    ],
)
def test_a_time_that_cannot_be_right_becomes_the_time_of_arrival(
    raw: str, reason: ClockReason
) -> None:
    time = read_phone_time(raw, ARRIVAL)
    assert (time.at, time.raw, time.suspect, time.reason) == (ARRIVAL, raw, True, reason)


def test_a_clock_that_is_a_little_ahead_is_not_doubted() -> None:
    time = read_phone_time("2026-05-01T12:05:00Z", ARRIVAL)
    assert time.at == ARRIVAL + AHEAD_ALLOWED
    assert not time.suspect


def test_a_time_without_an_offset_is_read_as_utc_and_doubted() -> None:
    time = read_phone_time("2026-05-01T11:30:00", ARRIVAL)
    assert time.at == datetime(2026, 5, 1, 11, 30, tzinfo=UTC)
    assert (time.suspect, time.reason) == (True, ClockReason.NO_OFFSET)


def test_our_own_clock_must_be_aware() -> None:
    with pytest.raises(ValueError, match="aware"):
        read_phone_time("2026-05-01T11:30:00Z", ARRIVAL.replace(tzinfo=None))


def test_what_is_kept_of_the_raw_text_fits_into_a_database() -> None:
    kept = read_phone_time("2026\0-05\ud800" + "x" * 10_000, ARRIVAL).raw
    assert "\0" not in kept
    assert len(kept) <= RAW_LIMIT
    kept.encode()


ZONES = st.timezones() | st.timedeltas(timedelta(hours=-14), timedelta(hours=14)).map(timezone)
ARRIVALS = st.datetimes(datetime(2016, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis wants naive bounds and adds the zone


@given(st.text() | st.datetimes() | st.datetimes(timezones=ZONES), ARRIVALS)
def test_whatever_a_phone_writes_gives_a_time_that_can_be_stored(
    raw: str | datetime, arrival: datetime
) -> None:
    time = read_phone_time(raw, arrival)
    assert time.at.tzinfo is UTC
    assert EARLIEST <= time.at <= arrival + AHEAD_ALLOWED
    assert time.suspect or time.reason in (None, ClockReason.BUDDHIST_ERA)
    time.raw.encode()


PARTS = st.tuples(
    st.integers(0, 9999),
    st.integers(0, 13),
    st.integers(0, 32),
    st.integers(0, 25),
    st.integers(0, 61),
    st.integers(0, 61),
    st.sampled_from(["", "Z", "+07:00", "-1200", "+23:59", "+24:00"]),
)


@given(PARTS, ARRIVALS)
def test_anything_that_looks_like_a_time_gives_a_time_that_can_be_stored(
    parts: tuple[int, int, int, int, int, int, str], arrival: datetime
) -> None:
    raw = "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}{}".format(*parts)
    time = read_phone_time(raw, arrival)
    assert EARLIEST <= time.at <= arrival + AHEAD_ALLOWED
    assert time.raw == raw


@given(st.timedeltas(timedelta(0), timedelta(days=365)), ARRIVALS, ZONES)
def test_the_same_moment_in_the_buddhist_era_reads_the_same(
    ago: timedelta, arrival: datetime, zone: timezone
) -> None:
    # Whole minutes of offset: that is what phones write.
    written = (arrival - ago).astimezone(zone)
    offset = written.strftime("%z")
    if len(offset) != 5:
        return
    clock = written.strftime(f"-%m-%dT%H:%M:%S.%f{offset}")
    plain = read_phone_time(f"{written.year:04}{clock}", arrival)
    buddhist = read_phone_time(f"{written.year + 543:04}{clock}", arrival)
    assert buddhist.at == plain.at
    assert buddhist.suspect == plain.suspect


TAILS = st.sampled_from(["", "Z", "z", " Z", "+07", "+07:00", "-1200", "-00:00", "+23:59", "+07:00:30"])  # fmt: skip
FRACTIONS = st.just("") | st.from_regex(r"[.,][0-9]{1,10}", fullmatch=True)


@given(PARTS, st.sampled_from("T tx"), FRACTIONS, TAILS, ARRIVALS)
def test_a_time_is_the_same_whichever_digits_it_is_written_in(
    parts: tuple[int, int, int, int, int, int, str],
    between: str,
    fraction: str,
    tail: str,
    arrival: datetime,
) -> None:
    """Plain digits are read the quick way, Thai ones part by part."""
    date, clock = "{:04}-{:02}-{:02}".format(*parts[:3]), "{:02}:{:02}:{:02}".format(*parts[3:6])
    raw = f"{date}{between}{clock}{fraction}{tail}"
    quick = read_phone_time(raw, arrival)
    slow = read_phone_time(raw.translate(str.maketrans("0123456789", "๐๑๒๓๔๕๖๗๘๙")), arrival)
    assert (quick.at, quick.suspect, quick.reason) == (slow.at, slow.suspect, slow.reason)
