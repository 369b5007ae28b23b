"""What is found in files, and how a thumb hash is made; hostile ones are also sent for real in `tests/schema/test_uploads.py`."""

from __future__ import annotations

import random
import zlib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from patrol.files.flaws import Flaw, UnfitFile
from patrol.files.look import look
from patrol.files.pictures import see
from patrol.files.recordings import watch
from patrol.files.thumbhash import hash_of, thumb_hash
from patrol.files.types import TYPES, Family, looks_like, type_of
from patrol.files.verifying import LOOK
from patrol.limited import LimitHit, Limits, run_limited
from patrol.uploads.advice import Sizes, layout, part_size
from storage.buckets import MOST_PARTS, SMALLEST_PART
from storage.vocabulary import MediaKind, NetworkClass
from tests.patrol import sent_files as files


def pattern(width: int, height: int, *, clear: bool = False) -> bytes:
    """Pixels by a rule, as the vectors were made from; no two waves of it are the same, so that no half is rounded."""
    return b"".join(
        bytes(
            (
                (x * 37 + y * 91 + x * y * 7) % 251,
                (x * x + 3 * y + 40) % 241,
                (x * 5 ^ y * 11) % 239,
                (x * 7) % 256 if clear else 255,
            )
        )
        for y in range(height)
        for x in range(width)
    )


VECTORS: list[tuple[int, int, str]] = [
    (1, 1, "83b8092f1408f708888788708f7088f80888808008f7870f"),
    (8, 8, "9369061f047377777087a65988585778676659f8572f6708"),
    (64, 48, "5e08020d8299876724825557944603a4d7cd4097af"),
    (48, 64, "5e08020d02ca8a245253928753168d905bf528d0ee"),
    (100, 25, "5d08060a826667764704798649f7a5afac"),
    (30, 100, "1e08020a0266973a31308741889fc90be1"),
]
"""By another implementation (the package `thumbhash` 0.1.2, opaque pictures; it has faults where a picture is clear)."""


@pytest.mark.parametrize(("width", "height", "expected"), VECTORS)
def test_thumb_hashes_are_those_of_other_implementations(
    width: int, height: int, expected: str
) -> None:
    assert hash_of(width, height, pattern(width, height)).hex() == expected


def test_a_thumb_hash_is_short_and_says_whether_something_shows_through() -> None:
    for size in ((1, 1), (100, 1), (1, 100), (100, 100), (37, 64)):
        opaque = hash_of(*size, pattern(*size))
        assert 5 <= len(opaque) <= 25
        assert not opaque[2] & 0x80
        clear = hash_of(*size, pattern(*size, clear=True))
        assert clear[2] & 0x80
        assert 5 <= len(clear) <= 25
    assert len(thumb_hash(Image.new("RGBA", (500, 300), (0, 0, 0, 0)))) <= 25
    with pytest.raises(ValueError, match="100 pixels"):
        hash_of(101, 5, b"")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_upright_whatever_their_orientation(orientation: int) -> None:
    seen = see(files.jpeg(orientation=orientation), "JPEG")
    assert (seen.width, seen.height) == ((640, 480) if orientation < 5 else (480, 640))
    # Where the camera's top left has come to, by the definition of EXIF.
    right, bottom = orientation in (2, 3, 6, 7), orientation in (3, 4, 7, 8)
    at = (seen.hashed.width - 5 if right else 5, seen.hashed.height - 5 if bottom else 5)
    red, green, _ = seen.hashed.getpixel(at)
    assert red > 150 > green


def test_derived_pictures_hold_nothing_but_pixels(tmp_path: Path) -> None:
    for data, format in (
        (files.jpeg(), "JPEG"),
        (files.png(), "PNG"),
        (files.webp(), "WEBP"),
        (files.heic(), "HEIF"),
    ):
        for small in see(data, format).small.values():
            assert b"EXIF" not in small
            assert b"Samsung" not in small
        assert b"Samsung" in data  # the control


def test_a_position_that_is_none_is_not_told() -> None:
    assert see(files.jpeg(gps=False), "JPEG").facts["has_position"] is False
    facts = see(files.jpeg(), "JPEG").facts
    assert (facts["has_position"], facts["latitude"]) == (True, 16.7151)
    assert (
        facts["file_taken_at"] == "2026-11-23T09:30:00+00:00"
    )  # its year was that of the Buddhist era


def test_films_say_how_long_they_are_by_their_packets(tmp_path: Path) -> None:
    path = tmp_path / "film"
    path.write_bytes(files.mp4(seconds=3.0))
    facts, poster = watch(path, path.stat().st_size, "mp4")
    assert (facts["seconds"], poster.size) == (3.0, (320, 240))
    assert (facts["has_position"], facts["longitude"]) == (True, 98.5728)


def test_every_type_is_known_by_its_first_bytes_and_no_other_is_taken_for_it() -> None:
    made = {
        "JPEG": files.jpeg(), "PNG": files.png(), "WEBP": files.webp(), "HEIF": files.heic(), "mp4": files.mp4(),
        "aac": files.sound("adts", "aac"), "mp3": files.sound("mp3", "libmp3lame", rate=16000),
        "ogg": files.sound("ogg", "libopus", rate=16000), "wav": files.sound("wav", "pcm_s16le"), "PDF": files.PDF,
        "amr": b"#!AMR\n",
    }  # fmt: skip
    formats = {one.format for one in TYPES.values()}
    assert formats == set(made)
    for name, data in made.items():
        assert {one for one in formats if looks_like(data[:32], one)} == {name}
    assert type_of(MediaKind.PHOTO, "video/mp4") is None
    found = type_of(MediaKind.DOCUMENT, "image/png")
    assert found is not None
    assert found.family is Family.PICTURE


HOSTILE: dict[str, tuple[str, str, Any]] = {
    "a bomb of pixels": ("PHOTO", "image/png", files.bomb),
    "a bomb of text": ("PHOTO", "image/png", files.text_bomb),
    "a JPEG that says it is huge": ("PHOTO", "image/jpeg", files.jpeg_bomb),
    "a HEIC that says it is huge": ("PHOTO", "image/heic", files.heic_bomb),
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_bomb_stays_within_its_limits(name: str, tmp_path: Path) -> None:
    kind, content_type, make = HOSTILE[name]
    data = make()
    (tmp_path / "file").write_bytes(data)
    request = {
        "path": str(tmp_path / "file"), "size": len(data), "kind": kind, "content_type": content_type, "into": str(tmp_path),
    }  # fmt: skip
    # Half of what a worker gives: none of them comes near it.
    limits = Limits(memory=512 * 1024 * 1024, cpu=10, wall=30, file=1024 * 1024)
    found = await run_limited(LOOK, request, folder=tmp_path, limits=limits)
    # The text is left out before any decoder sees it, and the picture around it is fair.
    assert found.get("flaw") == (None if name == "a bomb of text" else "TOO_MANY_PIXELS")


async def test_a_reader_that_needs_too_much_ends_and_takes_nothing_with_it(tmp_path: Path) -> None:
    data = files.png((4000, 4000))
    (tmp_path / "file").write_bytes(data)
    request = {
        "path": str(tmp_path / "file"), "size": len(data), "kind": "PHOTO", "content_type": "image/png", "into": str(tmp_path),
    }  # fmt: skip
    try:
        found = await run_limited(
            LOOK,
            request,
            folder=tmp_path,
            limits=Limits(memory=160 * 1024 * 1024, file=1024 * 1024),
        )
    except LimitHit:
        return
    assert found == {"flaw": "TOO_COSTLY"}


@pytest.mark.parametrize(
    ("data", "kind", "content_type"),
    [
        (files.jpeg((160, 120)), "PHOTO", "image/jpeg"),
        (files.png((160, 120)), "PHOTO", "image/png"),
        (files.webp((160, 120)), "PHOTO", "image/webp"),
        (files.heic((160, 120)), "PHOTO", "image/heic"),
        (files.mp4(), "VIDEO", "video/mp4"),
        (files.sound(), "AUDIO", "audio/mp4"),
        (files.sound("wav", "pcm_s16le"), "AUDIO", "audio/wav"),
        (files.PDF, "DOCUMENT", "application/pdf"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_damage_anywhere_is_a_flaw_or_harmless_and_never_a_fault(
    data: bytes, kind: str, content_type: str, tmp_path: Path
) -> None:
    chance = random.Random(zlib.crc32(data))
    ends = set()
    for _ in range(25):
        broken = bytearray(data)
        for _ in range(chance.randint(1, 6)):
            broken[chance.randrange(len(broken))] = chance.randrange(256)
        if chance.random() < 0.4:
            del broken[chance.randrange(1, len(broken)) :]
        path = tmp_path / "file"
        path.write_bytes(broken)
        found = look(
            {"path": str(path), "size": len(broken), "kind": kind, "content_type": content_type, "into": str(tmp_path)}
        )  # fmt: skip
        ends.add(Flaw(found["flaw"]) if "flaw" in found else None)
    assert len(ends) > 1


def test_pieces_fit_the_line_and_the_store() -> None:
    for size in (1, SMALLEST_PART, SMALLEST_PART + 1, 100_000_000, Sizes().video, 40 * 1024**3):
        for network in (None, *NetworkClass):
            part = part_size(size, network)
            if part is None:
                assert size <= 16 * 1024**2
                continue
            parts = layout(size, part)
            assert part >= SMALLEST_PART
            assert len(parts) <= MOST_PARTS
            assert sum(one[2] for one in parts) == size
            assert [one[1] for one in parts] == [
                sum(two[2] for two in parts[:at]) for at in range(len(parts))
            ][: len(parts)]
            assert min(one[2] for one in parts) > 0


def test_a_film_of_another_kind_is_no_film(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(files.sound())
    with pytest.raises(UnfitFile) as unfit:
        watch(path, path.stat().st_size, "mp4")
    assert unfit.value.flaw is Flaw.WRONG_TYPE
