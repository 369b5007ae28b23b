"""What reports call the kinds and states of alerts in Thai; English has the words of `storage.vocabulary`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from storage.vocabulary import AlertEventKind, AlertSource, AlertStatus

EVENT_TH: Final[Mapping[AlertEventKind, str]] = {
    AlertEventKind.RAISED: "แจ้งขอความช่วยเหลือ",
    AlertEventKind.CALLED: "ระบบแจ้งเจ้าหน้าที่แล้ว",
    AlertEventKind.CALL_FAILED: "แจ้งเจ้าหน้าที่ไม่สำเร็จ",
    AlertEventKind.RECEIVED: "โทรศัพท์ได้รับแจ้ง",
    AlertEventKind.DISPLAYED: "แสดงบนหน้าจอโทรศัพท์",
    AlertEventKind.ASSIGNED: "ผู้บังคับบัญชามอบหมาย",
    AlertEventKind.ACKNOWLEDGED: "รับทราบเหตุ",
    AlertEventKind.ON_THE_WAY: "กำลังเดินทาง",
    AlertEventKind.ON_SCENE: "ถึงที่เกิดเหตุ",
    AlertEventKind.DECLINED: "ไม่สามารถไปได้",
    AlertEventKind.STOOD_DOWN: "ยกเลิกการมอบหมาย",
    AlertEventKind.LEAD_CHANGED: "เปลี่ยนผู้รับผิดชอบหลัก",
    AlertEventKind.REOPENED: "เปิดเหตุอีกครั้ง",
    AlertEventKind.CLOSED: "ปิดเหตุ",
    AlertEventKind.CANCELLED: "ยกเลิกเหตุ",
    AlertEventKind.PASSED_OVER: "ข้ามผู้ที่ไม่ว่างหรือติดต่อไม่ได้",
    AlertEventKind.CALLED_AGAIN: "เริ่มแจ้งรอบใหม่",
    AlertEventKind.NOT_ANSWERED: "ผู้ได้รับมอบหมายไม่ตอบรับ",
    AlertEventKind.LINKED: "ระบุว่าเป็นเหตุซ้ำ",
    AlertEventKind.UNLINKED: "ยกเลิกการระบุว่าเป็นเหตุซ้ำ",
    AlertEventKind.SEVERITY_RAISED: "ยกระดับความเร่งด่วน",
    AlertEventKind.RESOLVED: "บันทึกผลการดำเนินการ",
    AlertEventKind.CANCEL_ASKED: "ขอยกเลิกเหตุ",
    AlertEventKind.PRESSED: "กดปุ่มซ้ำ",
    AlertEventKind.JOINED: "รวมกับข้อความ SMS",
    AlertEventKind.RAISER_ASKED: "สอบถามผู้แจ้งเหตุที่แจ้งล่าช้า",
    AlertEventKind.CHANNEL_TOLD: "แจ้งผ่านช่องทางสำรอง",
    AlertEventKind.CHANNEL_FAILED: "ช่องทางสำรองไม่สำเร็จ",
    AlertEventKind.ALARM: "ระบบตรวจสอบแจ้งเตือน",
    AlertEventKind.CLIP_STARTED: "เริ่มบันทึกคลิป",
    AlertEventKind.CLIP_ENDED: "หยุดบันทึกคลิป",
    AlertEventKind.CLIP_SEGMENT_REFUSED: "ส่วนของคลิปไม่ตรงกับที่แจ้ง",
    AlertEventKind.CLIP_READY: "คลิปพร้อมใช้งาน",
    AlertEventKind.CLIP_FAILED: "รวมคลิปไม่สำเร็จ",
}
"""What happened, in Thai; each kind has its words."""

STATUS_TH: Final[Mapping[AlertStatus, str]] = {
    AlertStatus.OPEN: "รอผู้ตอบรับ",
    AlertStatus.ACKNOWLEDGED: "มีผู้รับเหตุแล้ว",
    AlertStatus.CLOSED: "ปิดเหตุแล้ว",
    AlertStatus.CANCELLED: "ยกเลิกแล้ว",
}
SOURCE_TH: Final[Mapping[AlertSource, str]] = {
    AlertSource.OFFICER: "เจ้าหน้าที่",
    AlertSource.POST: "เสา SOS",
    AlertSource.CITIZEN: "ประชาชน",
}
