"""Thai for paper: dates of the Buddhist era beside ISO, and lines that break between words, which Thai writes without spaces."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from typing import Any

import budoux

from patrol.clock import BUDDHIST_YEARS

THAI_TIME = timezone(timedelta(hours=7))
"""Thailand keeps one time all year."""

MAY_BREAK = "\u200b"
"""A place without width where a line may end."""

_MONTHS = (
    "มกราคม", "กุมภาพันธ์", "มีนาคม", "เมษายน", "พฤษภาคม", "มิถุนายน",
    "กรกฎาคม", "สิงหาคม", "กันยายน", "ตุลาคม", "พฤศจิกายน", "ธันวาคม",
)  # fmt: skip
_SHORT_MONTHS = (
    "ม.ค.", "ก.พ.", "มี.ค.", "เม.ย.", "พ.ค.", "มิ.ย.", "ก.ค.", "ส.ค.", "ก.ย.", "ต.ค.", "พ.ย.", "ธ.ค.",
)  # fmt: skip
_THAI = re.compile("[\u0e00-\u0e7f]{4,}")


def thai_date(at: datetime) -> str:
    """24 พฤศจิกายน พ.ศ. 2569 เวลา 09:05:31 น., in Thai time. `at` is aware."""
    local = at.astimezone(THAI_TIME)
    return (
        f"{local.day} {_MONTHS[local.month - 1]} พ.ศ. {local.year + BUDDHIST_YEARS} "
        f"เวลา {local:%H:%M:%S} น."
    )


def short_thai_date(at: datetime) -> str:
    """24 พ.ย. 2569 09:05:31, in Thai time. `at` is aware."""
    local = at.astimezone(THAI_TIME)
    month = _SHORT_MONTHS[local.month - 1]
    return f"{local.day} {month} {local.year + BUDDHIST_YEARS} {local:%H:%M:%S}"


def iso_date(at: datetime) -> str:
    """2026-11-24T02:05:31Z. `at` is aware."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}Z"


def breakable(text: str) -> str:
    """The text with a `MAY_BREAK` between its Thai words; what is printed of it is the same."""
    return _THAI.sub(lambda found: MAY_BREAK.join(_words().parse(found.group())), text)


@lru_cache(maxsize=1)
def _words() -> Any:
    return budoux.load_default_thai_parser()
