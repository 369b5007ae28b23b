"""Importers that turn an administrator's file into checked rows, or into a list of everything that is wrong with it.

Pure: no database, no file system. A file with one error yields no rows at all, so nothing can be half-imported by a
caller who forgets to look; warnings do not stop an import.
"""

from patrol.imports.cameras import CameraRow, ParsedCameras, parse_cameras
from patrol.imports.rows import RowCode, RowError
from patrol.imports.zones import ParsedZones, ZoneRow, parse_zones

__all__ = [
    "CameraRow",
    "ParsedCameras",
    "ParsedZones",
    "RowCode",
    "RowError",
    "ZoneRow",
    "parse_cameras",
    "parse_zones",
]
