"""The demo's plan, its photographs, and the redaction by which it judges what partners see."""

from __future__ import annotations

import io
from datetime import timedelta
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast
from uuid import uuid4

import asyncpg
import pytest
from PIL import Image

from api.demo import film
from api.demo.alarms import Alarm, Alarms
from api.demo.check_calls import _called_off, _citizen, _ended, _silent
from api.demo.check_partners import Grant, _grants, _redacted, rounded
from api.demo.check_recordings import LENGTH, _seconds
from api.demo.finding import Finding
from api.demo.hour import PATROLS, SUPERVISOR, crews, plan
from api.demo.photos import LONGEST_SIDE, NoPhotos, load_photos, taken_by
from patrol.images import inspect_jpeg
from tests.world import now

if TYPE_CHECKING:
    from api.demo.cast import Cast
    from mobile_contracts.reference import Account

ZONE = str(uuid4())


# The plan


@pytest.mark.parametrize("phones", [1, 2, 3, 4, 5, 6, 9])
def test_every_officer_has_a_phone_and_every_phone_an_officer(phones: int) -> None:
    crew = crews(phones)
    assert len(crew) == phones
    assert all(crew)
    assert {badge for badges in crew for badge in badges} == {SUPERVISOR, *PATROLS}
    assert crew[0][0] == SUPERVISOR


def test_the_same_seed_gives_the_same_hour_and_another_seed_another() -> None:
    crew = crews(6)
    told = [(beat.minute, beat.phone, beat.verb, beat.more) for beat in plan(1, crew)]
    again = [(beat.minute, beat.phone, beat.verb, beat.more) for beat in plan(1, crew)]
    other = [(beat.minute, beat.phone, beat.verb, beat.more) for beat in plan(2, crew)]
    assert told == again
    assert told != other


@pytest.mark.parametrize("seed", range(5))
def test_every_hour_has_what_the_demo_promises(seed: int) -> None:
    beats = plan(seed, crews(6))
    verbs = {beat.verb for beat in beats}
    assert verbs >= {
        "report", "change", "follow_up", "lose_signal", "find_signal", "weak", "strong", "switch", "sos",
        "press", "foreign_report", "contest", "move_incident", "reassign", "assign_back", "film", "citizen",
    }  # fmt: skip
    calls = [beat.more for beat in beats if beat.verb in ("sos", "press")]
    for special in ("silent", "mistake", "waits"):
        assert sum(special in more for more in calls) == 1
    assert all(0 <= beat.minute <= 60 for beat in beats)
    offline: set[int] = set()
    for beat in beats:
        if beat.verb == "lose_signal":
            offline.add(beat.phone)
        elif beat.verb == "find_signal":
            offline.discard(beat.phone)
        elif beat.verb == "sos":
            assert (beat.phone in offline) == (beat.phone == 5), "one SOS with signal, one without"
    assert not offline


# Photographs


def test_any_photograph_becomes_a_jpeg_that_is_taken_and_each_frame_is_one_of_a_kind(
    tmp_path: Path,
) -> None:
    Image.effect_noise((3000, 1000), 80).save(tmp_path / "wide.png")
    Image.new("RGBA", (50, 400), (10, 200, 10, 90)).save(tmp_path / "clear.webp")
    Image.effect_noise((800, 600), 80).convert("CMYK").save(tmp_path / "PRINT.JPG")
    (tmp_path / "notes.png").write_text("no picture")
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "PRINT.JPG").read_bytes()[:900])
    photos = load_photos(tmp_path, Random(1))
    assert len(photos) == 3
    at = now()
    for photo in photos:
        frames = {
            taken_by(photo, "MST-C01", at + timedelta(milliseconds=step)) for step in range(3)
        }
        assert len(frames) == 3
        for frame in frames:
            facts = inspect_jpeg(io.BytesIO(frame))
            assert max(facts.width, facts.height) <= LONGEST_SIDE
            assert facts.taken_at is not None
            assert abs((facts.taken_at - at).total_seconds()) <= 1


def test_a_directory_without_photographs_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(NoPhotos, match=str(tmp_path)):
        load_photos(tmp_path, Random(1))


# What partners should see


async def test_positions_are_rounded_as_the_views_round_them(owner: asyncpg.Connection) -> None:
    rng = Random(1)
    given = [rng.uniform(-180, 180) for _ in range(500)]
    given += [round(rng.uniform(-90, 90), 6) for _ in range(500)]
    given += [16.7125, 98.5705, -16.7125, 0.0005, 1.0005, 2.0015, 16.71450000000001]
    rows = await owner.fetch(
        "select round(x::numeric, 3)::float8 as y from unnest($1::float8[]) with ordinality as g (x, n) order by n",
        given,
    )
    assert [rounded(one) for one in given] == [row["y"] for row in rows]


def an_incident(received_ago: timedelta) -> dict[str, object]:
    return {
        "id": str(uuid4()), "title": "t", "description": "d", "latitude": 16.71234, "longitude": 98.57891,
        "receivedAt": (now() - received_ago).isoformat(),
        "updatedAt": (now() - received_ago).isoformat(), "zone": {"id": ZONE},
    }  # fmt: skip


def test_a_delay_hides_what_is_too_recent_and_the_edge_is_left_open() -> None:
    quarter = timedelta(minutes=15)
    late, recent, edge = (
        an_incident(ago) for ago in (timedelta(hours=1), timedelta(minutes=1), quarter)
    )
    seen, left_open = _redacted(
        "incidents", [late, recent, edge], [], {ZONE: Grant(quarter, None)}, now()
    )
    assert list(seen) == [late["id"]]
    assert left_open == {edge["id"]}
    assert seen[str(late["id"])]["title"] is None
    assert seen[str(late["id"])]["latitude"] == 16.712


def test_two_agreements_never_add_up_to_full_detail_of_recent_records() -> None:
    def agreement(detail: str, delay: int) -> dict[str, object]:
        return {
            "subjects": ["INCIDENTS"], "detail": detail, "delaySeconds": delay, "revokedAt": None,
            "zones": [{"id": ZONE}],
        }  # fmt: skip

    organisation = {"agreements": [agreement("COARSE", 0), agreement("FULL", 3600)]}
    grants = _grants(organisation, "incidents")
    assert grants == {ZONE: Grant(timedelta(0), timedelta(hours=1))}
    recent, late = an_incident(timedelta(minutes=1)), an_incident(timedelta(hours=2))
    seen, _ = _redacted("incidents", [recent, late], [], grants, now())
    assert seen[str(recent["id"])]["detail"] == "COARSE"
    assert seen[str(late["id"])]["detail"] == "FULL"


# The verdict


def test_a_finding_notices_a_missing_row_one_too_many_and_another_value() -> None:
    finding = Finding("rows", "rows")
    finding.expect_rows("phone", {"a": {"x": 1}, "b": {"x": 1}}, {"b": {"x": 2}, "c": {"x": 1}})
    assert not finding.agrees
    assert len(finding.differences) == 3


def test_a_finding_that_compared_nothing_does_not_agree() -> None:
    assert not Finding("rows", "rows").agrees


def test_times_agree_however_they_are_written() -> None:
    finding = Finding("rows", "rows")
    finding.expect_rows(
        "phone",
        {"a": {"at": "2026-11-23T08:00:00.500000Z"}},
        {"a": {"at": "2026-11-23T08:00:00.5+00:00"}},
    )
    assert finding.agrees


def a_story(*events: tuple[str, str], resolution: str | None = "HELPED") -> dict[str, Any]:
    told = [{"kind": kind, "officer": {"id": who}} for kind, who in events]
    return {"events": told, "resolution": resolution}


def test_a_call_that_one_person_called_off_is_found() -> None:
    alarms = Alarms({"a": Alarm("a", "x", 0.0, mistake=cast("Account", object()))})
    two = a_story(("CANCEL_ASKED", "1"), ("CANCELLED", "2"))
    assert _called_off(alarms, {"a": two}).agrees
    for wrong in ((("CANCELLED", "2"),), (("CANCEL_ASKED", "1"), ("CANCELLED", "1"))):
        assert not _called_off(alarms, {"a": a_story(*wrong)}).agrees


def test_a_call_that_ended_without_a_word_or_to_which_nobody_came_is_found() -> None:
    alarms = Alarms({"a": Alarm("a", "x", 0.0)})
    whole = (("RAISED", "1"), ("ON_SCENE", "2"), ("CLOSED", "2"))
    assert _ended(alarms, {"a": a_story(*whole)}).agrees
    assert not _ended(alarms, {"a": a_story(*whole, resolution=None)}).agrees
    assert not _ended(
        alarms, {"a": a_story(*(one for one in whole if one[0] != "ON_SCENE"))}
    ).agrees


def test_a_silent_call_that_made_a_sound_is_found() -> None:
    people = cast("Cast", SimpleNamespace(phones=[]))
    quiet, loud = (
        Alarms({"a": Alarm("a", "x", 0.0, silent=True)}, {"a": [("fid", silent)]})
        for silent in (True, False)
    )
    assert _silent(people, quiet).agrees
    assert not _silent(people, loud).agrees


@pytest.mark.parametrize(
    "seen", [[], ["OPEN"], ["OPEN", "CLOSED", "OPEN"], ["ON_SCENE", "OPEN", "CLOSED"], ["NONE", "CLOSED"]]
)  # fmt: skip
def test_a_citizen_who_was_told_nonsense_is_found(seen: list[str]) -> None:
    told = SimpleNamespace(citizen=SimpleNamespace(seen=["OPEN", "ON_THE_WAY", "CLOSED"]))
    assert _citizen(cast("Cast", told)).agrees
    told.citizen.seen = seen
    assert not _citizen(cast("Cast", told)).agrees


def test_the_film_of_the_demo_is_as_long_as_it_says_and_a_lost_segment_is_noticed() -> None:
    made = film.segments(3)
    assert abs(_seconds(b"".join(made)) - LENGTH) < 0.5
    assert abs(_seconds(b"".join(made[:2])) - LENGTH) > 0.5
    assert _seconds(b"no film") == 0.0
