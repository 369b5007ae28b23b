"""The demonstration must show the real thing: 0.23 km², three communities, six sectors, and nothing out of place."""

from itertools import combinations
from typing import Any

import pytest
import shapely

from patrol import mae_sot
from patrol.geometry import ZoneIndex, area_square_kilometres, distance_m
from storage.vocabulary import CameraKind, OfficerRole, Sector, ZoneKind

SHAPES = {zone.code: zone.shape for zone in mae_sot.zones()}


def test_the_zone_is_as_large_as_the_real_one_and_holds_the_station() -> None:
    zone = SHAPES[mae_sot.MAIN_ZONE]
    assert zone.square_kilometres == pytest.approx(0.23, abs=0.01)
    assert zone.covers(mae_sot.STATION.latitude, mae_sot.STATION.longitude)


def test_the_three_communities_tile_the_zone() -> None:
    zone = SHAPES[mae_sot.MAIN_ZONE]
    communities = [SHAPES[code].polygon for code in mae_sot.COMMUNITIES]
    uncovered = zone.polygon.difference(shapely.union_all(communities))
    assert area_square_kilometres(uncovered) < 0.0001
    for one, other in combinations(communities, 2):
        assert area_square_kilometres(one.intersection(other)) < 0.0001
    assert [(row.code, row.kind, row.parent_code) for row in mae_sot.zones()] == [
        (mae_sot.MAIN_ZONE, ZoneKind.SAFETY_ZONE, None),
        *((code, ZoneKind.COMMUNITY, mae_sot.MAIN_ZONE) for code in mae_sot.COMMUNITIES),
    ]


def test_every_camera_stands_in_the_community_that_it_names() -> None:
    index = ZoneIndex(SHAPES.items())
    for camera in mae_sot.cameras():
        assert index.find(camera.latitude, camera.longitude) == camera.zone_code
        assert SHAPES[mae_sot.MAIN_ZONE].covers(camera.latitude, camera.longitude)


def test_there_are_24_street_cameras_and_6_poles_and_none_stand_in_the_same_spot() -> None:
    cameras = mae_sot.cameras()
    assert len([camera for camera in cameras if camera.kind is not CameraKind.SOS_POST]) == 24
    assert len(mae_sot.sos_posts()) == 6
    assert {post.zone_code for post in mae_sot.sos_posts()} == set(mae_sot.COMMUNITIES)
    for one, other in combinations(cameras, 2):
        assert distance_m(one.latitude, one.longitude, other.latitude, other.longitude) > 5


def test_every_sector_of_the_big_six_has_an_organisation() -> None:
    assert [organisation.sector for organisation in mae_sot.ORGANISATIONS] == list(Sector)


def test_six_officers_have_ranks_zones_and_one_supervisor() -> None:
    assert len({officer.code for officer in mae_sot.OFFICERS}) == 6
    roles = [officer.role for officer in mae_sot.OFFICERS]
    assert roles.count(OfficerRole.SUPERVISOR) == 1
    for officer in mae_sot.OFFICERS:
        assert officer.rank
        assert set(officer.zone_codes) <= set(SHAPES)


def test_everything_has_a_thai_and_an_english_name() -> None:
    named: list[Any] = [
        mae_sot.STATION,
        *mae_sot.ORGANISATIONS,
        *mae_sot.OFFICERS,
        *mae_sot.zones(),
        *mae_sot.cameras(),
        *mae_sot.sos_posts(),
    ]
    for thing in named:
        assert thing.name.isascii()
        assert any("\u0e01" <= char <= "\u0e5b" for char in thing.name_th or "")
    for incident in mae_sot.INCIDENTS:
        assert incident.title.isascii()
        assert not incident.title_th.isascii()
        assert not incident.description_th.isascii()
