"""What a player is told of a clip: everything that can be played in its order, and every hole as a hole."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from patrol.clips.playlist import END_AFTER, GAP_AFTER, Part, Recording, playlist
from storage.vocabulary import ClipContainer, ClipState

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
LONG_AGO = NOW - timedelta(hours=1)


def a_recording(
    ready: Iterable[int],
    *,
    missing: Iterable[int] = (),
    state: ClipState = ClipState.RECORDING,
    ended_at: datetime | None = None,
    expected: int | None = None,
    heads: tuple[int, ...] = (),
    anew: tuple[int, ...] = (),
    ready_at: datetime = LONG_AGO,
    waiting: bool = False,
) -> Recording:
    parts = [Part(one, 4.0, ready_at, one in anew) for one in ready]
    parts += [Part(one, 4.0, None, one in anew) for one in missing]
    container = ClipContainer.FMP4 if heads else ClipContainer.MPEG_TS
    return Recording(container, state, LONG_AGO, ended_at, expected, parts, heads, waiting)


def lines(recording: Recording, now: datetime = NOW) -> list[str]:
    text = playlist(recording, now, media=lambda one: f"s{one}", head=lambda one: f"h{one}")
    assert text.endswith("\n")
    return text.splitlines()


def entries(told: list[str]) -> list[tuple[str, bool]]:
    """The addresses, and whether each is said to be a gap."""
    return [
        (line, told[place - 2] == "#EXT-X-GAP")
        for place, line in enumerate(told)
        if not line.startswith("#")
    ]


def test_a_list_says_what_a_player_needs() -> None:
    assert lines(a_recording([0, 1])) == [
        "#EXTM3U",
        "#EXT-X-VERSION:7",
        "#EXT-X-TARGETDURATION:4",
        "#EXT-X-MEDIA-SEQUENCE:0",
        "#EXT-X-PLAYLIST-TYPE:EVENT",
        "#EXT-X-PROGRAM-DATE-TIME:2026-11-23T08:30:00.000Z",
        "#EXTINF:4.000,",
        "s0",
        "#EXTINF:4.000,",
        "s1",
    ]


def test_a_hole_is_a_gap_once_it_was_waited_for() -> None:
    fresh = a_recording([0, 2], missing=[1], ready_at=NOW - GAP_AFTER / 2)
    assert entries(lines(fresh)) == [("s0", False)]
    assert entries(lines(fresh, NOW + GAP_AFTER)) == [("s0", False), ("s1", True), ("s2", False)]
    # Of what was never declared nothing is known but that it is missing.
    assert entries(lines(a_recording([1]))) == [("s0", True), ("s1", False)]


def test_the_end_is_said_only_when_nothing_can_be_on_its_way() -> None:
    just, long = NOW - timedelta(seconds=1), NOW - END_AFTER
    ended = ClipState.ENDED

    def ends(recording: Recording) -> bool:
        return lines(recording)[-1] == "#EXT-X-ENDLIST"

    assert not ends(a_recording([0, 1]))
    assert ends(a_recording([0, 1], state=ended, ended_at=just, expected=2))
    assert not ends(a_recording([0], missing=[1], state=ended, ended_at=just, expected=2))
    assert not ends(a_recording([0, 1], state=ended, ended_at=just))
    assert ends(a_recording([0, 1], state=ended, ended_at=long))
    assert not ends(a_recording([0, 1], state=ended, ended_at=long, waiting=True))
    over = a_recording([0], missing=[1], state=ended, ended_at=long, expected=3)
    assert entries(lines(over)) == [("s0", False), ("s1", True), ("s2", True)]


def test_an_encoder_that_was_begun_anew_is_told() -> None:
    told = lines(a_recording([0, 1, 2], heads=(0, 2), anew=(2,)))
    assert told[5:] == [
        '#EXT-X-MAP:URI="h0"',
        "#EXT-X-PROGRAM-DATE-TIME:2026-11-23T08:30:00.000Z",
        "#EXTINF:4.000,",
        "s0",
        "#EXTINF:4.000,",
        "s1",
        "#EXT-X-DISCONTINUITY",
        '#EXT-X-MAP:URI="h2"',
        "#EXTINF:4.000,",
        "s2",
    ]


@given(st.permutations(list(range(8))), st.integers(1, 8), st.integers(0, 30))
def test_a_list_only_grows_and_no_segment_ever_changes_its_place(
    order: list[int], arrived: int, later: int
) -> None:
    """Whatever the order of arrival, what a player saw stays where it was, and only gaps become segments."""
    before: list[tuple[str, bool]] = []
    for count in range(1, arrived + 1):
        parts = [
            Part(number, 4.0, NOW + timedelta(seconds=3 * place))
            for place, number in enumerate(order[:count])
        ]
        recording = Recording(
            ClipContainer.MPEG_TS, ClipState.RECORDING, NOW, None, None, parts, (), False
        )
        now = NOW + timedelta(seconds=3 * count + later)
        seen = entries(lines(recording, now))
        assert [one for one, _ in seen] == [f"s{place}" for place in range(len(seen))]
        for old, new in zip(before, seen, strict=False):
            assert new == old or (old[1] and not new[1])
        assert len(seen) >= len(before)
        before = seen
