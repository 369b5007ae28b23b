"""What is said through a fallback channel, in Thai and English: what a stranger may read over a shoulder, and no more.

A text names the kind of alert, the place as the station calls it and the time; never a person, a position, or what the
alert is about. It ends with the alert's id and the call's: a text that came twice carries the same two.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any
from uuid import UUID

from storage.vocabulary import AlertSource, CallFinding, ChannelLanguage

THAI_TIME = timezone(timedelta(hours=7))
"""Thailand keeps one time all year."""

_SOURCE = {
    AlertSource.OFFICER: ("เจ้าหน้าที่ขอความช่วยเหลือ", "An officer calls for help"),
    AlertSource.POST: ("มีผู้กดปุ่มขอความช่วยเหลือที่เสา SOS", "The button of an SOS pole was pressed"),
    AlertSource.CITIZEN: ("ประชาชนขอความช่วยเหลือ", "A citizen calls for help"),
}

_FINDING = {
    CallFinding.STEP_OVERDUE: (
        "การแจ้งเหตุล่าช้า ยังไม่ถึงผู้ใด",
        "the call is late and has reached nobody",
    ),
    CallFinding.STEP_WITHOUT_CALL: (
        "ไม่พบหลักฐานว่าได้แจ้งผู้ใด",
        "nothing shows that anybody was called",
    ),
    CallFinding.NO_STEP_LEFT: (
        "ยังไม่มีผู้ตอบรับ และไม่มีผู้ให้แจ้งต่อ",
        "nobody has answered, and nobody is left to call",
    ),
    CallFinding.DEADLINE_OVERDUE: ("ผู้รับเหตุยังไม่ไปถึงตามกำหนด", "who answered has not come in time"),
    CallFinding.NO_DEADLINE: (
        "มีผู้รับเหตุ แต่ไม่มีการติดตาม",
        "somebody answered, and nothing watches over it",
    ),
    CallFinding.CLOCK_WENT_BACK: ("เวลาของระบบผิดพลาด", "the system's clock was wrong"),
}

_UNNAMED = ("ระบบแจ้งเหตุขัดข้อง", "the calling did not work as it should")


@dataclass(frozen=True, slots=True)
class Text:
    """A title and a text."""

    title: str
    text: str


def call_text(
    alert: Mapping[str, Any], call_id: UUID, link: str | None, language: ChannelLanguage
) -> Text:
    """A step's call: nobody has answered yet."""
    return _in(
        language,
        alert["drill"],
        ("SOS ยังไม่มีผู้ตอบรับ", "SOS: nobody has answered yet"),
        (_place(alert, 0), _place(alert, 1)),
        _marks(alert["id"], call_id, link),
    )


def alarm_text(
    alert: Mapping[str, Any],
    kinds: Sequence[CallFinding],
    others: int,
    call_id: UUID,
    link: str | None,
    language: ChannelLanguage,
) -> Text:
    """The auditor's louder alarm about an alert, and how many others of the station are in the same state."""
    found = [_FINDING.get(kind, _UNNAMED) for kind in kinds]
    thai = f"{', '.join(one[0] for one in found)} กรุณาดำเนินการด้วยตนเองทันที"
    english = f"{', '.join(one[1] for one in found)}. Please act on it yourself now"
    if others:
        thai += f" (และอีก {others} เหตุ)"
        english += f" (and {others} more)"
    return _in(
        language,
        alert["drill"],
        ("SOS ผิดปกติ ต้องการคน", "SOS needs a person"),
        (f"{_place(alert, 0)}: {thai}", f"{_place(alert, 1)}: {english}"),
        _marks(alert["id"], call_id, link),
    )


def trial_text(label: str, station: str, station_th: str, language: ChannelLanguage) -> Text:
    """The weekly test of a channel."""
    return _in(
        language,
        False,
        ("ทดสอบช่องทางแจ้งเหตุ SOS", "Test of an SOS channel"),
        (
            f"{station_th}: ช่องทาง {label} ใช้งานได้ ไม่ต้องดำเนินการใด ๆ",
            f"{station}: channel {label} works. There is nothing to do",
        ),
        "",
    )


def failing_text(station: str, station_th: str, labels: Sequence[str]) -> Text:
    """Channels of a station that failed their test, told through those that work."""
    named = ", ".join(labels)
    return _in(
        ChannelLanguage.BOTH,
        False,
        ("ช่องทางแจ้งเหตุ SOS ใช้งานไม่ได้", "SOS channels do not work"),
        (f"{station_th}: {named} กรุณาตรวจสอบ", f"{station}: {named}. Please have them put right"),
        "",
    )


def _place(alert: Mapping[str, Any], thai_or_english: int) -> str:
    raised_at: datetime = alert["raised_at"]
    source = _SOURCE[AlertSource(alert["source"])][thai_or_english]
    at = raised_at.astimezone(THAI_TIME).strftime("%H:%M")
    if thai_or_english == 0:
        place = alert["place_th"] or alert["place"]
        where = f"{place} {alert['station_th']}" if place else alert["station_th"]
        return f"{source} ที่ {where} เวลา {at} น."
    where = f"{alert['place']}, {alert['station']}" if alert["place"] else alert["station"]
    return f"{source}: {where}, {at}"


def _marks(alert_id: UUID, call_id: UUID, link: str | None) -> str:
    ids = f"SOS {alert_id}\n#{call_id}"
    return ids if link is None else f"{link}\n{ids}"


def _in(
    language: ChannelLanguage,
    drill: bool,
    title: tuple[str, str],
    text: tuple[str, str],
    marks: str,
) -> Text:
    chosen = {
        ChannelLanguage.THAI: (0,),
        ChannelLanguage.ENGLISH: (1,),
        ChannelLanguage.BOTH: (0, 1),
    }[language]
    titles = [title[each] for each in chosen]
    lines = [f"{text[each]}." if each == 1 else text[each] for each in chosen]
    if drill:
        # First, also where a service cuts the end off.
        marked = ("[ฝึกซ้อม]", "[DRILL]")
        titles = [" ".join((*(marked[each] for each in chosen), titles[0])), *titles[1:]]
        lines.insert(0, " ".join(marked[each] for each in chosen))
    return Text(" / ".join(titles), "\n".join([*lines, marks] if marks else lines))
