"""The story of an alert on paper, in Thai and English, as it is laid before a commander or a court."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from patrol.papers import Paper
from patrol.sos.report_words import EVENT_TH, SOURCE_TH, STATUS_TH
from patrol.sos.timeline import Row, Timeline, detail_of
from patrol.thai import iso_date, short_thai_date, thai_date
from storage.vocabulary import (
    AlertEventKind,
    AlertResolution,
    AlertSource,
    AlertStatus,
    DeliveryOutcome,
    IncidentSeverity,
    ResponseStatus,
    StepOutcome,
    StepTarget,
)

NONE: Final = "–"


def as_pdf(timeline: Timeline) -> bytes:
    """The story as a PDF of A4 pages; some hundred milliseconds of work, so not for the loop."""
    alert = timeline.alert
    paper = Paper(
        "Report on a call for help",
        "รายงานเหตุขอความช่วยเหลือ",
        f"SOS {alert['id']}",
        timeline.made_at,
    )
    if alert["drill"]:
        paper.paragraph("การฝึกซ้อม ไม่ใช่เหตุจริง · A drill, not a real call")
    paper.facts(_facts(alert))
    paper.heading("ลำดับเหตุการณ์", "Timeline")
    paper.table(
        ("เวลา / Time", "เหตุการณ์ / Event", "ผู้เกี่ยวข้อง / Who", "รายละเอียด / Detail"),
        [_event(row) for row in timeline.events],
        (24, 29, 22, 25),
    )
    if timeline.responses:
        paper.heading("เจ้าหน้าที่ผู้ตอบรับ", "Who answered")
        paper.table(
            (
                "เจ้าหน้าที่ / Officer", "สถานะ / State", "รับทราบ / Acknowledged", "ออกเดินทาง / On the way",
                "ถึงที่เกิดเหตุ / On scene",
            ),
            [_response(row) for row in timeline.responses],
            (28, 20, 18, 17, 17),
        )  # fmt: skip
    if timeline.steps:
        paper.heading("ขั้นตอนการแจ้งเหตุ", "Escalation")
        paper.table(
            ("ขั้น / Step", "ผู้รับแจ้ง / Whom", "กำหนด / Due", "เสร็จ / Done", "ผล / Outcome"),
            [_step(row) for row in timeline.steps],
            (10, 22, 20, 20, 28),
        )
    if timeline.calls:
        paper.heading("บันทึกการแจ้งรายบุคคล", "Calls to each phone")
        paper.table(
            (
                "ขั้น / Step", "เจ้าหน้าที่ / Officer", "ส่ง / Sent", "ผล / Outcome", "ได้รับ / Received",
                "แสดง / Displayed",
            ),
            [_call(row) for row in timeline.calls],
            (9, 25, 17, 19, 15, 15),
        )  # fmt: skip
    if timeline.channels:
        paper.heading("ช่องทางสำรอง", "Fallback channels")
        paper.table(
            ("ช่องทาง / Channel", "เวลา / Time", "ผล / Outcome"),
            [
                (f"{row['label']} ({row['scheme']})", _moment(row["attempted_at"]),
                 _why(row["outcome"], row["reason"]))
                for row in timeline.channels
            ],
            (40, 30, 30),
        )  # fmt: skip
    _recordings(paper, timeline)
    if timeline.points:
        paper.heading("เส้นทาง", "Ways")
        paper.table(
            ("เจ้าหน้าที่ / Officer", "จุดแรก / First", "จุดสุดท้าย / Last", "จำนวนจุด / Points"),
            _ways(timeline),
            (25, 29, 29, 17),
        )
    return paper.pdf()


def _facts(alert: Row) -> list[tuple[str, str]]:
    place = [
        _both(alert[f"{kind}_name_th"], alert[f"{kind}_name"])
        for kind in ("post", "zone", "station")
        if alert[f"{kind}_name"]
    ]
    marks = [
        words
        for name, words in (
            ("silent", "แจ้งเหตุเงียบ / silent"),
            ("late", "แจ้งถึงระบบล่าช้า / came late"),
            ("time_suspect", "นาฬิกาของผู้แจ้งไม่น่าเชื่อถือ / clock in doubt"),
        )
        if alert[name]
    ]
    rows = [
        ("สถานที่ / Place", "\n".join(place)),
        ("ผู้แจ้ง / Raised by", _raiser(alert)),
        ("เวลาแจ้ง / Raised", _when(alert["raised_at"])),
        ("ระบบได้รับ / Received", _when(alert["received_at"])),
        (
            "สถานะ / Status",
            f"{STATUS_TH[AlertStatus(alert['status'])]} / {alert['status']}, {_severity(alert)}",
        ),
    ]
    if alert["latitude"] is not None:
        accuracy = "" if alert["accuracy_m"] is None else f" ± {alert['accuracy_m']:.0f} m"
        rows.insert(
            1,
            (
                "พิกัด / Position",
                f"{alert['latitude']:.6f}, {alert['longitude']:.6f} (WGS 84){accuracy}",
            ),
        )
    if alert["closed_at"] is not None:
        rows.append(("เวลาสิ้นสุด / Ended", _when(alert["closed_at"])))
    if alert["resolution"]:
        rows.append(
            (
                "ผลการดำเนินการ / Outcome",
                ". ".join(
                    part
                    for part in (
                        alert["resolution"],
                        AlertResolution(alert["resolution"]).description.rstrip("."),
                        alert["resolution_note"],
                    )
                    if part
                ),
            )
        )
    if marks:
        rows.append(("หมายเหตุ / Marks", ", ".join(marks)))
    if alert["presses"] > 1:
        rows.append(("จำนวนครั้งที่กด / Presses", str(alert["presses"])))
    linked = [alert["duplicate_of"], *alert["duplicates"]]
    if any(linked):
        rows.append(("เหตุที่เกี่ยวข้อง / Linked", "\n".join(str(one) for one in linked if one)))
    rows.append(("เลขที่ / Alert", str(alert["id"])))
    return rows


def _severity(alert: Row) -> str:
    return IncidentSeverity(alert["severity"]).value


def _raiser(alert: Row) -> str:
    source = AlertSource(alert["source"])
    words = f"{SOURCE_TH[source]} / {source.value}"
    if alert["raiser_badge"] is None:
        return words
    names = _both(f"{alert['raiser_rank']} {alert['raiser_name_th']}".strip(), alert["raiser_name"])
    return f"{names} ({alert['raiser_badge']})"


def _event(row: Row) -> tuple[str, str, str, str]:
    kind = AlertEventKind(row["kind"])
    lines = [_moment(row["at"])]
    if row["captured_at_raw"] is not None and row["received_at"] is not None:
        late = (row["received_at"] - row["at"]).total_seconds()
        if late > 60:
            lines.append(f"รับเมื่อ / told\n{_moment(row['received_at'])}")
    if row["time_suspect"]:
        lines.append("เวลาไม่น่าเชื่อถือ / in doubt")
    return (
        "\n".join(lines),
        f"{EVENT_TH.get(kind, '')}\n{kind.description}".strip(),
        _person(row),
        _detail(row),
    )


def _detail(row: Row) -> str:
    said = []
    if row["step"] is not None:
        said.append(f"ขั้น / step {row['step']}: {row['target']}")
    said += [
        name.replace("_", " ") if value is True else f"{name.replace('_', ' ')}: {_plain(value)}"
        for name, value in detail_of(row).items()
        if value not in (None, False, [], {})
    ]
    return "\n".join(said) or NONE


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_plain(one)}" for name, one in value.items())
    if isinstance(value, list):
        return ", ".join(_plain(one) for one in value)
    return str(value)


def _response(row: Row) -> tuple[str, ...]:
    status = ResponseStatus(row["status"])
    state = f"{EVENT_TH[AlertEventKind(status.value)]} / {status.value}"
    if row["lead"]:
        state += "\nผู้รับผิดชอบหลัก / leads"
    if row["reason"]:
        state += f"\n{row['reason']}"
    return (
        _person(row),
        state,
        _moment(row["acknowledged_at"]),
        _moment(row["on_the_way_at"]),
        _moment(row["on_scene_at"]),
    )


def _step(row: Row) -> tuple[str, ...]:
    outcome = NONE if row["outcome"] is None else StepOutcome(row["outcome"]).description
    return (
        str(row["number"]),
        StepTarget(row["target"]).description,
        _moment(row["due_at"]),
        _moment(row["done_at"]),
        outcome,
    )


def _call(row: Row) -> tuple[str, ...]:
    outcome = DeliveryOutcome(row["outcome"])
    told = outcome.value if row["attempts"] == 1 else f"{outcome.value} ×{row['attempts']}"
    return (
        str(row["step"]),
        _person(row),
        _moment(row["attempted_at"]),
        _why(told, row["reason"]),
        _moment(row["received_at"]),
        _moment(row["displayed_at"]),
    )


def _recordings(paper: Paper, timeline: Timeline) -> None:
    rows = [
        (
            f"คลิป / Clip {row['id']}",
            row["badge"] or row["post_code"] or NONE,
            f"{_moment(row['started_at'])}\n{row['seconds']:.0f} s, {row['ready']}/{row['declared']}",
            _why(row["state"], row["reason"]),
            row["file_sha256"] or NONE,
        )
        for row in timeline.clips
    ] + [
        (
            f"{row['kind']} {row['id']}",
            row["badge"],
            _moment(row["taken_at"]),
            row["state"],
            row["sha256"],
        )
        for row in timeline.files
    ]
    if rows:
        paper.heading("ภาพและเสียง", "Recordings and files")
        paper.table(
            ("รายการ / Item", "ผู้บันทึก / By", "เวลา / Time", "สถานะ / State", "SHA-256"),
            rows,
            (26, 12, 18, 18, 26),
        )


def _ways(timeline: Timeline) -> list[tuple[str, str, str, str]]:
    ways: dict[str, list[Row]] = {}
    for point in timeline.points:
        ways.setdefault(point["badge"], []).append(point)
    return [
        (badge, _spot(points[0]), _spot(points[-1]), str(len(points)))
        for badge, points in ways.items()
    ]


def _spot(point: Row) -> str:
    return f"{_moment(point['at'])}\n{point['latitude']:.6f}, {point['longitude']:.6f}"


def _person(row: Row) -> str:
    if row["badge"] is None:
        return NONE
    return f"{row['rank']} {row['name_th'] or row['name']}".strip() + f"\n{row['badge']}"


def _why(outcome: str, reason: str | None) -> str:
    return outcome if reason is None else f"{outcome}\n{reason}"


def _both(thai: str, english: str) -> str:
    return " / ".join(dict.fromkeys(one for one in (thai, english) if one))


def _when(at: datetime) -> str:
    return f"{thai_date(at)}\n{iso_date(at)}"


def _moment(at: datetime | None) -> str:
    return NONE if at is None else f"{short_thai_date(at)}\n{iso_date(at)}"
