"""Stations: the outermost scope, to which every officer, zone and record belongs."""

from __future__ import annotations

from sqlmodel import Field

from storage.base import Synced, position_checks, synced_index


class Station(Synced, table=True):
    """A police station; its own id is its scope."""

    __tablename__ = "station"
    __table_args__ = (synced_index("station"), *position_checks())

    code: str = Field(unique=True)
    name: str
    name_th: str
    latitude: float
    longitude: float
