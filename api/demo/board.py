"""What everybody sees, drawn while the hour runs: a table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from api.demo.options import MINUTES

if TYPE_CHECKING:
    from api.demo.phone import Phone
    from api.demo.scene import Scene

EVENTS = 6
DRAWN_EVERY = 0.2
PLAIN_EVERY = 15
"""Minutes of the hour between two plain summaries."""


@dataclass
class Board:
    """Shows one scene. `say` may be called at any time; `show` at every tick."""

    console: Console
    scene: Scene | None = None
    live: Live | None = None
    events: deque[str] = field(default_factory=lambda: deque(maxlen=EVENTS))
    _drawn: float = 0.0
    _told: int = 0

    def note(self, text: str) -> None:
        """A line outside the hour."""
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def say(self, minute: float, text: str) -> None:
        """Something happened in the hour."""
        line = f"{clock(minute)}  {text}"
        if self.live is None:
            self.note(line)
        else:
            self.events.append(line)

    def show(self) -> None:
        """Draws what there is to see, when it is time to."""
        assert self.scene is not None  # set before the hour begins
        now = time.monotonic()
        if self.live is not None and now - self._drawn >= DRAWN_EVERY:
            self._drawn = now
            self.live.update(self.drawn(), refresh=True)
        if self.live is None and self.scene.minute >= (self._told + 1) * PLAIN_EVERY <= MINUTES:
            self._told += 1
            for line in self.plain():
                self.note(line)

    def drawn(self) -> Group:
        """The tables."""
        assert self.scene is not None  # set before the hour begins
        tables = [
            _table(
                f"Mae Sot {clock(self.scene.minute)}",
                (
                    "phone",
                    "officer",
                    "network",
                    "to send",
                    "rows",
                    "pulled",
                    "pokes",
                    "lost answers",
                ),
                [_phone_cells(self.scene, phone) for phone in self.scene.cast.phones],
            ),
            _table(
                "", ("camera", "place", "sent", "again", "seen by control room"), self._cameras()
            ),
            _table("", ("partner", "polls", "rows", "newest", "refused"), self._partners()),
        ]
        if self.scene.alarms.by_id:
            tables.append(
                _table(
                    "",
                    ("SOS by", "raised", "Firebase", "phones", "heard", "answered", "state"),
                    self._alarms(),
                )
            )
        return Group(*tables, Text("\n".join(self.events), style="dim"))

    def plain(self) -> list[str]:
        """The same in lines."""
        assert self.scene is not None  # set before the hour begins
        rows: list[tuple[str, ...]] = [
            _phone_cells(self.scene, phone) for phone in self.scene.cast.phones
        ]
        lines = [f"{clock(self.scene.minute)}  what everybody sees:"]
        lines += [
            f"       {name}, {who}: {net}, {queue} to send, {count} rows, pulled {ago}"
            for name, who, net, queue, count, ago, *_ in rows
        ]
        lines += [
            f"       {code}: {sent} sent, {seen} seen" for code, _, sent, _, seen in self._cameras()
        ]
        lines += [
            f"       {name}: {rows_} rows, refused: {refused}"
            for name, _, rows_, _, refused in self._partners()
        ]
        return lines

    def calls(self) -> list[str]:
        """What became of each call for help, one line each."""
        assert self.scene is not None  # set before the hour begins
        name, lines = self.scene.cast.name_of, []
        for alarm in self.scene.alarms.by_id.values():
            push = f"accepted by Firebase after {alarm.after(alarm.accepted_at)} ({alarm.accepted} phones)"
            answered = (
                f"answered by {name(alarm.acknowledged_by)} after {alarm.after(alarm.acknowledged_at)}"
                if alarm.acknowledged_by
                else f"answered by nobody, {alarm.state}"
            )
            lines.append(
                f"SOS by {alarm.by}{f' ({alarm.how})' if alarm.how else ''}: "
                f"{push if alarm.accepted else 'no push'}, heard after {alarm.after(alarm.heard_at)}, {answered}"
            )
        return lines

    def _cameras(self) -> list[tuple[str, ...]]:
        assert self.scene is not None  # set before the hour begins
        return [
            (
                camera.code,
                camera.name,
                str(len(camera.sent)),
                str(camera.repeated),
                str(len(self.scene.screen.pictures.get(camera.id, ()))),
            )
            for camera in self.scene.cast.cameras
        ]

    def _partners(self) -> list[tuple[str, ...]]:
        assert self.scene is not None  # set before the hour begins
        cells: list[tuple[str, ...]] = []
        for partner in self.scene.cast.polling:
            times = [row["updatedAt"] for row in partner.seen.get("incidents", {}).values()]
            cells.append(
                (
                    partner.name,
                    str(partner.polls),
                    " ".join(f"{len(rows)} {subject}" for subject, rows in partner.seen.items()),
                    max(times, default="-")[11:19] or "-",
                    " ".join(partner.refused) or "-",
                )
            )
        return cells

    def _alarms(self) -> list[tuple[str, ...]]:
        assert self.scene is not None  # set before the hour begins
        return [
            (
                alarm.by,
                alarm.how or "at once",
                alarm.after(alarm.accepted_at),
                str(alarm.accepted),
                alarm.after(alarm.heard_at),
                alarm.after(alarm.acknowledged_at),
                alarm.state,
            )
            for alarm in self.scene.alarms.by_id.values()
        ]


def clock(minute: float) -> str:
    """The time in Mae Sot; the hour begins at eight in the evening."""
    return f"20:{int(minute):02}" if minute < MINUTES else "21:00"


def _phone_cells(scene: Scene, phone: Phone) -> tuple[str, ...]:
    profile = phone.officer
    waiting = sum(len(one.outbox.waiting()) for one in phone.profiles.values())
    ago = (
        "never"
        if profile.last_pull is None
        else f"{time.monotonic() - profile.last_pull:.0f} s ago"
    )
    net = "no signal" if not phone.line.online else ("weak" if phone.line.weakness else "online")
    return (
        phone.name,
        scene.cast.name_of(phone.in_hand),
        net,
        str(waiting),
        str(len(profile.copy)),
        ago,
        str(phone.pokes),
        str(phone.line.lost_answers),
    )


def _table(title: str, columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> Table:
    table = Table(
        title=title or None, title_justify="left", expand=True, box=None, header_style="bold"
    )
    for column in columns:
        table.add_column(column, no_wrap=True, overflow="ellipsis")
    for row in rows:
        table.add_row(*(_coloured(cell) for cell in row))
    return table


_COLOURS = {
    "no signal": "red",
    "weak": "yellow",
    "online": "green",
    "OPEN": "bold red",
    "answered": "yellow",
    "closed": "green",
}


def _coloured(cell: str) -> Any:
    return Text(cell, style=_COLOURS.get(cell, ""))
