"""Looks into one file in a limited process: is it what it was declared to be, what is in it, and its small pictures.

Imported by `patrol.limited_child`; nothing else may call it.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from patrol.files.flaws import Flaw, UnfitFile
from patrol.files.types import Family, looks_like, type_of
from patrol.images.derive import small_ones
from storage.vocabulary import MediaKind


def look(request: Mapping[str, Any]) -> dict[str, Any]:
    """Looks.

    Args:
        request: `path` and `size` of the file, its `kind` and `content_type` as declared, and `into`, the folder for the
            small pictures, which are named by their width.

    Returns:
        `flaw`, or what was found: `width`, `height`, `seconds`, `thumb_hash` (hexadecimal), capture data, and `made`, the
        widths of the small pictures.
    """
    try:
        return _found(request)
    except UnfitFile as unfit:
        return {"flaw": unfit.flaw.value}
    except (MemoryError, Image.DecompressionBombError):
        return {"flaw": Flaw.TOO_COSTLY.value}
    except (OSError, ValueError, ArithmeticError, LookupError, zlib.error):
        return {"flaw": Flaw.UNDECODABLE.value}


def look_long(request: Mapping[str, Any]) -> dict[str, Any]:
    """As `look`, for films: by a name of their own they wait for each other, and no photograph waits for them."""
    return look(request)


def _found(request: Mapping[str, Any]) -> dict[str, Any]:
    path, size = Path(request["path"]), int(request["size"])
    type = type_of(MediaKind(request["kind"]), request["content_type"])
    if type is None:
        raise UnfitFile(Flaw.TYPE_NOT_TAKEN)
    with path.open("rb") as file:
        if not looks_like(file.read(32), type.format):
            raise UnfitFile(Flaw.WRONG_TYPE)
    if type.family is Family.PAPER:
        from patrol.files.papers import check_paper

        check_paper(path, size)
        return {"made": []}
    if type.family is Family.PICTURE:
        from patrol.files.pictures import see

        seen = see(path.read_bytes(), type.format)
        facts = {**seen.facts, "width": seen.width, "height": seen.height}
        return facts | _written(Path(request["into"]), seen.small, seen.hashed)
    from patrol.files.recordings import hear, watch

    if type.family is Family.SOUND:
        return {**hear(path, size, type.format), "made": []}
    facts, poster = watch(path, size, type.format)
    return facts | _written(Path(request["into"]), small_ones(poster), poster)


def _written(into: Path, small: Mapping[int, bytes], hashed: Image.Image) -> dict[str, Any]:
    from patrol.files.thumbhash import thumb_hash

    for width, data in small.items():
        (into / f"{width}.webp").write_bytes(data)
    return {"made": sorted(small), "thumb_hash": thumb_hash(hashed).hex()}
