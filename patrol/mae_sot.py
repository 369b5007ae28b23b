"""The demonstration station: Mae Sot with its 0.23 km² Smart Safety Zone, so that nobody has to invent data first.

The station, the three communities and the six sectors exist. The outlines and positions are drawn to be plausible,
not surveyed, and every person is invented. Zones and cameras go through the same importers as an administrator's files.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from patrol.imports import CameraRow, ZoneRow, parse_cameras, parse_zones
from storage.vocabulary import (
    CameraKind,
    IncidentCategory,
    IncidentSeverity,
    OfficerRole,
    Sector,
)


@dataclass(frozen=True, slots=True)
class Station:
    """A police station."""

    code: str
    name: str
    name_th: str
    latitude: float
    longitude: float


@dataclass(frozen=True, slots=True)
class Organisation:
    """A partner of the station."""

    code: str
    name: str
    name_th: str
    sector: Sector


@dataclass(frozen=True, slots=True)
class Officer:
    """An invented officer; `code` is the service number, `zone_codes` what he patrols."""

    code: str
    rank: str
    rank_th: str
    name: str
    name_th: str
    role: OfficerRole
    zone_codes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class IncidentTemplate:
    """What an officer might report."""

    category: IncidentCategory
    severity: IncidentSeverity
    title: str
    title_th: str
    description: str
    description_th: str


@dataclass(frozen=True, slots=True)
class SosPost:
    """An SOS pole: the button, and the camera in the same pole (they share position and code)."""

    code: str
    name: str
    name_th: str
    latitude: float
    longitude: float
    zone_code: str
    camera_code: str


STATION = Station("MST", "Mae Sot Police Station", "สถานีตำรวจภูธรแม่สอด", 16.7131, 98.5708)

MAIN_ZONE = "MST-ZONE"
COMMUNITIES = ("MST-WATLUANG", "MST-RUAMJAI", "MST-ISLAM")

ORGANISATIONS = (
    Organisation(
        "MST-DISTRICT", "Mae Sot District Office", "ที่ว่าการอำเภอแม่สอด", Sector.STATE_AGENCY
    ),
    Organisation("MST-CHAMBER", "Tak Chamber of Commerce", "หอการค้าจังหวัดตาก", Sector.BUSINESS),
    Organisation(
        "MST-VOLUNTEERS",
        "Three Communities Volunteer Network",
        "เครือข่ายอาสาสมัครสามชุมชน",
        Sector.PEOPLE,
    ),
    Organisation(
        "MST-CITY", "Mae Sot City Municipality", "เทศบาลนครแม่สอด", Sector.LOCAL_GOVERNMENT
    ),
    Organisation("MST-TAKPOLICE", "Tak Provincial Police", "ตำรวจภูธรจังหวัดตาก", Sector.POLICE),
    Organisation("MST-RADIO", "Mae Sot Community Radio", "วิทยุชุมชนแม่สอด", Sector.MEDIA),
)

OFFICERS = (
    Officer(
        "MST-001",
        "Pol. Lt. Col.",
        "พ.ต.ท.",
        "Prasert Khaomai",
        "ประเสริฐ ขาวใหม่",
        OfficerRole.SUPERVISOR,
        (MAIN_ZONE,),
    ),
    Officer(
        "MST-002",
        "Pol. Lt.",
        "ร.ต.ท.",
        "Kanya Saengdao",
        "กัญญา แสงดาว",
        OfficerRole.OFFICER,
        (MAIN_ZONE,),
    ),
    Officer(
        "MST-003",
        "Pol. Sen. Sgt. Maj.",
        "ด.ต.",
        "Somkid Phumtawan",
        "สมคิด ภูมิตะวัน",
        OfficerRole.OFFICER,
        ("MST-WATLUANG", "MST-RUAMJAI"),
    ),
    Officer(
        "MST-004",
        "Pol. Sgt. Maj.",
        "จ.ส.ต.",
        "Wichai Thongmoei",
        "วิชัย ทองเมย",
        OfficerRole.OFFICER,
        ("MST-RUAMJAI", "MST-ISLAM"),
    ),
    Officer(
        "MST-005",
        "Pol. Sgt.",
        "ส.ต.อ.",
        "Anuwat Chaloemsuk",
        "อนุวัฒน์ เฉลิมสุข",
        OfficerRole.OFFICER,
        ("MST-ISLAM",),
    ),
    Officer(
        "MST-006",
        "Pol. Cpl.",
        "ส.ต.ท.",
        "Nida Rimnam",
        "นิดา ริมน้ำ",
        OfficerRole.OFFICER,
        ("MST-WATLUANG",),
    ),
)

INCIDENTS = (
    IncidentTemplate(
        IncidentCategory.TRAFFIC_OBSTRUCTION,
        IncidentSeverity.LOW,
        "Delivery lorry blocks one lane",
        "รถบรรทุกส่งของจอดกีดขวางหนึ่งช่องทาง",
        "The driver was asked to move on; traffic flows again after ten minutes.",
        "แจ้งให้คนขับเคลื่อนรถแล้ว การจราจรกลับมาปกติภายในสิบนาที",
    ),
    IncidentTemplate(
        IncidentCategory.THEFT,
        IncidentSeverity.MEDIUM,
        "Motorcycle stolen in front of the market",
        "รถจักรยานยนต์หายบริเวณหน้าตลาด",
        "Red Honda Wave, parked since eight in the morning; the owner waits at the station.",
        "ฮอนด้าเวฟสีแดง จอดตั้งแต่แปดโมงเช้า เจ้าของรออยู่ที่สถานี",
    ),
    IncidentTemplate(
        IncidentCategory.TRAFFIC_ACCIDENT,
        IncidentSeverity.HIGH,
        "Motorcycle and pick-up collided at the junction",
        "รถจักรยานยนต์ชนกับรถกระบะที่สี่แยก",
        "One person with an injured leg; the rescue team is on its way.",
        "มีผู้บาดเจ็บที่ขาหนึ่งราย หน่วยกู้ภัยกำลังเดินทางมา",
    ),
    IncidentTemplate(
        IncidentCategory.SUSPICIOUS_PERSON,
        IncidentSeverity.MEDIUM,
        "Unknown man looks into parked cars",
        "ชายแปลกหน้าส่องดูรถที่จอดอยู่",
        "About thirty, black cap, walks towards the temple.",
        "อายุประมาณสามสิบปี สวมหมวกสีดำ เดินไปทางวัด",
    ),
    IncidentTemplate(
        IncidentCategory.TOURIST_ASSISTANCE,
        IncidentSeverity.LOW,
        "Visitor lost her passport",
        "นักท่องเที่ยวทำหนังสือเดินทางหาย",
        "Taken to the station to file a report; an interpreter was called.",
        "พามาที่สถานีเพื่อแจ้งความ และประสานล่ามแล้ว",
    ),
    IncidentTemplate(
        IncidentCategory.FIRE,
        IncidentSeverity.CRITICAL,
        "Smoke from a shophouse kitchen",
        "มีควันออกจากครัวของตึกแถว",
        "Neighbours are out of the house; the municipality's fire engine was called.",
        "เพื่อนบ้านออกมาจากอาคารแล้ว แจ้งรถดับเพลิงเทศบาลแล้ว",
    ),
)


@cache
def zones() -> tuple[ZoneRow, ...]:
    """The main zone and its three communities, parents first."""
    parsed = parse_zones(files("patrol").joinpath("data/mae_sot.geojson").read_bytes())
    if parsed.errors:
        raise RuntimeError(f"the demonstration zones are broken: {parsed.errors[0]}")
    return parsed.zones


@cache
def cameras() -> tuple[CameraRow, ...]:
    """All cameras: those on the streets, and the one in each SOS pole (kind SOS_POST)."""
    outlines = {zone.code: zone.shape for zone in zones()}
    data = files("patrol").joinpath("data/mae_sot_cameras.csv").read_bytes()
    parsed = parse_cameras(data, outlines)
    if parsed.errors:
        raise RuntimeError(f"the demonstration cameras are broken: {parsed.errors[0]}")
    return parsed.cameras


@cache
def sos_posts() -> tuple[SosPost, ...]:
    """The SOS poles, one for each camera of kind SOS_POST."""
    return tuple(
        SosPost(
            camera.code,
            camera.name,
            camera.name_th or camera.name,
            camera.latitude,
            camera.longitude,
            camera.zone_code,
            camera.code,
        )
        for camera in cameras()
        if camera.kind is CameraKind.SOS_POST
    )
