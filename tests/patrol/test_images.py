"""Pictures as phones, cameras and attackers send them: the fit are measured, the unfit refused with a reason."""

from __future__ import annotations

import io
import random
import struct
import time
import zipfile
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from patrol.images import Reason, UnfitImage, derivatives, draw_frame, inspect_jpeg

NOON = datetime(2026, 3, 1, 12, 30, 5, tzinfo=timezone(timedelta(hours=7)))
EXIF_IFD, TAKEN, OFFSET, ORIENTATION = 0x8769, 0x9003, 0x9011, 0x0112


def a_jpeg(size: tuple[int, int] = (64, 48), *, mode: str = "RGB", **options: Any) -> bytes:
    out = io.BytesIO()
    Image.linear_gradient("L").resize(size).convert(mode).save(out, "JPEG", **options)
    return out.getvalue()


def with_exif(orientation: int = 1, /, **tags: str) -> bytes:
    """A picture whose left half is red and right half blue when stored, 80 × 40."""
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    names = {"taken": TAKEN, "offset": OFFSET}
    exif.get_ifd(EXIF_IFD).update({names[name]: value for name, value in tags.items()})
    picture = Image.new("RGB", (80, 40), (250, 0, 0))
    picture.paste((0, 0, 250), (40, 0, 80, 40))
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=95, exif=exif)
    return out.getvalue()


def segment(marker: int, content: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content


def after_start(jpeg: bytes, extra: bytes) -> bytes:
    return jpeg[:2] + extra + jpeg[2:]


def of_claimed_size(jpeg: bytes, width: int, height: int) -> bytes:
    """The same file, claiming other sides in its frame."""
    at = jpeg.index(b"\xff\xc0") + 5
    return jpeg[:at] + struct.pack(">HH", height, width) + jpeg[at + 4 :]


def inspect(data: bytes, **options: Any) -> Any:
    return inspect_jpeg(io.BytesIO(data), **options)


def refused(data: bytes, **options: Any) -> Reason:
    """The reason, which must be the same before derivatives are made."""
    with pytest.raises(UnfitImage) as inspected:
        inspect(data, **options)
    with pytest.raises(UnfitImage) as derived:
        derivatives(io.BytesIO(data), **options)
    assert inspected.value.reason_code is derived.value.reason_code
    assert inspected.value.message.endswith((".", ".)"))
    return inspected.value.reason_code


# What is fit


def test_a_camera_frame_is_measured_from_a_path_and_from_a_file(tmp_path: Path) -> None:
    frame = draw_frame("CAM-07 Wat Luang", NOON)
    path = tmp_path / "frame.jpg"
    path.write_bytes(frame)
    facts = inspect_jpeg(path)
    assert facts == inspect(frame)
    assert (facts.format, facts.width, facts.height) == ("JPEG", 1280, 720)
    assert facts.taken_at == NOON.astimezone(UTC)
    assert (facts.orientation, facts.trailing_bytes) == (1, 0)


def test_two_frames_of_one_moment_differ_and_a_frame_needs_a_zone() -> None:
    assert draw_frame("CAM-07", NOON) != draw_frame("CAM-07", NOON)
    with pytest.raises(ValueError, match="zone"):
        draw_frame("CAM-07", NOON.replace(tzinfo=None))


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("progressive", [False, True])
def test_grey_colour_and_print_pictures_are_taken(mode: str, progressive: bool) -> None:
    data = a_jpeg((700, 400), mode=mode, progressive=progressive)
    assert (inspect(data).width, inspect(data).height) == (700, 400)
    with Image.open(io.BytesIO(derivatives(io.BytesIO(data), (320,))[320])) as small:
        assert (small.size, small.mode) == ((320, 183), "RGB")


@pytest.mark.parametrize(
    ("tags", "taken_at"),
    [
        ({}, None),
        ({"taken": "2026:03:01 12:30:05"}, NOON.astimezone(UTC)),
        ({"taken": "2026:03:01 12:30:05", "offset": "+00:00"}, NOON.replace(tzinfo=UTC)),
        ({"taken": "2026:03:01 12:30:05", "offset": "junk"}, NOON.astimezone(UTC)),
        ({"taken": "2569:03:01 12:30:05"}, NOON.astimezone(UTC)),
        ({"taken": "2567:02:29 07:00:00"}, datetime(2024, 2, 29, tzinfo=UTC)),
        ({"taken": "0000:00:00 00:00:00"}, None),
        ({"taken": "0001:01:01 00:00:00"}, None),
        ({"taken": "yesterday"}, None),
    ],
)
def test_the_time_of_taking_is_read_with_its_zone_and_era(
    tags: dict[str, str], taken_at: datetime | None
) -> None:
    assert inspect(with_exif(**tags)).taken_at == taken_at


def test_a_named_zone_is_used_for_cameras_that_name_none() -> None:
    facts = inspect(with_exif(taken="2026:03:01 12:30:05"), clock_zone=UTC)
    assert facts.taken_at == NOON.replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "exif",
    [
        b"",
        b"II*\x00\xff\xff\xff\xff",
        b"MM\x00*\x00\x00\x00\x08\xff\xff" + b"\xff" * 40,
        b"II*\x00\x08\x00\x00\x00\x01\x00\x69\x87\x04\x00\x01\x00\x00\x00\x08\x00\x00\x00"
        + b"\0" * 4,
        b"II*\x00\x08\x00\x00\x00" + bytes(range(256)) * 12,
    ],
)
def test_damaged_exif_does_not_spoil_a_good_picture(exif: bytes) -> None:
    facts = inspect(after_start(a_jpeg(), segment(0xE1, b"Exif\x00\x00" + exif)))
    assert (facts.width, facts.taken_at, facts.orientation) == (64, None, 1)


# Trailers and second natures


@pytest.mark.parametrize(
    "trailer",
    [
        b"\x00" * 512,
        a_jpeg((16, 16)),
        b"\x00\x00\x00\x18ftypmp42" + b"\x00PK\x05\x06 by chance in a film" * 40,
        b"\x00\x00\x01\x0a\x0e\x00\x00\x00Image_UTC_Data1772343005000SEFHe\x00\x00\x00SEFT",
    ],
    ids=["padding", "second picture", "motion photo", "maker's notes"],
)
def test_what_phones_append_is_tolerated_and_counted(trailer: bytes) -> None:
    assert inspect(a_jpeg() + trailer).trailing_bytes == len(trailer)


def test_no_trailer_or_metadata_reaches_a_derivative() -> None:
    data = after_start(
        a_jpeg((400, 300), exif=with_secret_exif(), icc_profile=b"SECRET" * 50),
        segment(0xFE, b"SECRET comment") + segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0SECRET"),
    )
    data += a_jpeg((16, 16), comment=b"SECRET")
    assert data.count(b"SECRET") > 3
    for made in derivatives(io.BytesIO(data)).values():
        assert b"SECRET" not in made
        with Image.open(io.BytesIO(made)) as small:
            assert not {"exif", "icc_profile", "xmp", "comment"} & set(small.info)


def with_secret_exif() -> bytes:
    exif = Image.Exif()
    exif[0x010F] = "SECRET maker"
    return exif.tobytes()


def an_archive(comment: bytes = b"") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("classes.dex", b"code")
        archive.comment = comment
    return out.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        a_jpeg() + an_archive(),
        a_jpeg() + b"filler" + an_archive(b"a comment up to the end"),
        a_jpeg() + b"\x00\x00\n<HTML><script>alert(1)</script>",
        a_jpeg() + b"<?php system($_GET[0]); ?>",
        a_jpeg() + b"Rar!\x1a\x07\x01\x00",
        after_start(a_jpeg(), segment(0xFE, b"<script>alert(1)</script>")),
        after_start(a_jpeg(), segment(0xFE, b"%PDF-1.7\n")),
    ],
    ids=["zip", "zip with comment", "page", "php", "rar", "script in comment", "pdf in comment"],
)
def test_a_picture_that_is_also_another_file_is_refused(data: bytes) -> None:
    with Image.open(io.BytesIO(data)) as naive:
        naive.load()  # A decoder alone would take it.
    assert refused(data) is Reason.POLYGLOT


# What is unfit


@pytest.mark.parametrize("data", [b"", b"hello, I am a text named photo.jpg", b"\xff\xd8"])
def test_a_text_file_named_jpg_is_refused(data: bytes) -> None:
    assert refused(data) is Reason.NOT_AN_IMAGE


@pytest.mark.parametrize("kind", ["PNG", "GIF", "BMP", "TIFF", "WEBP"])
def test_another_type_of_picture_is_refused_by_name(kind: str) -> None:
    out = io.BytesIO()
    Image.new("RGB", (8, 8)).save(out, kind)
    assert refused(out.getvalue()) is Reason.WRONG_TYPE
    with pytest.raises(UnfitImage, match="not a JPEG"):
        inspect(out.getvalue())


def test_a_heic_or_film_is_refused_as_another_type() -> None:
    assert refused(b"\x00\x00\x00\x18ftypheic" + b"\x00" * 40) is Reason.WRONG_TYPE


def test_a_rare_kind_of_jpeg_is_refused() -> None:
    assert refused(a_jpeg().replace(b"\xff\xc0", b"\xff\xc9", 1)) is Reason.WRONG_TYPE


def test_every_truncation_of_a_picture_is_refused() -> None:
    data = a_jpeg((200, 150), quality=90)
    for length in range(3, len(data), 7):
        assert refused(data[:length]) in (Reason.TRUNCATED, Reason.BROKEN), length


def test_a_picture_that_claims_more_than_it_holds_is_refused() -> None:
    claims = of_claimed_size(a_jpeg((64, 48), quality=90), 3000, 3000)
    # libjpeg fills what is missing once the end marker is seen; without one it breaks off.
    assert refused(claims[:-2]) is Reason.TRUNCATED


def test_a_decompression_bomb_is_refused_before_it_is_decoded() -> None:
    bomb = of_claimed_size(a_jpeg(), 65_000, 65_000)
    started = time.process_time()
    assert refused(bomb) is Reason.TOO_MANY_PIXELS
    assert time.process_time() - started < 0.5


def test_limits_are_the_callers_to_tighten() -> None:
    data = a_jpeg((200, 100))
    assert refused(data, max_pixels=19_999) is Reason.TOO_MANY_PIXELS
    assert inspect(data, max_pixels=20_000).width == 200
    assert refused(data, max_bytes=len(data) - 1) is Reason.TOO_MANY_BYTES
    assert inspect(data, max_bytes=len(data)).width == 200


def test_a_progressive_picture_has_a_lower_limit_because_all_of_it_stays_in_memory() -> None:
    data = a_grey_progressive(7000)
    assert refused(data) is Reason.TOO_MANY_PIXELS


def a_grey_progressive(side: int) -> bytes:
    data = a_jpeg(mode="L", progressive=True)
    at = data.index(b"\xff\xc2") + 5
    return data[:at] + struct.pack(">HH", side, side) + data[at + 4 :]


def test_endless_scans_segments_and_fill_are_refused_quickly() -> None:
    data = a_jpeg(progressive=True)
    scan = data[data.rindex(b"\xff\xda") : -2]
    started = time.process_time()
    assert refused(data[:-2] + scan * 5000 + data[-2:]) is Reason.BROKEN
    assert refused(after_start(a_jpeg(), segment(0xFE, b"") * 500_000)) is Reason.BROKEN
    assert refused(a_jpeg()[:2] + b"\xff" * 5_000_000) is Reason.TRUNCATED
    assert time.process_time() - started < 2


@pytest.mark.parametrize(
    "data",
    [
        of_claimed_size(a_jpeg(), 0, 48),
        of_claimed_size(a_jpeg(), 64, 0),
        b"\xff\xd8\xff\xd9",
        b"\xff\xd8" + segment(0xE0, b"JFIF") + b"\xff\xd9",
        after_start(a_jpeg(), b"\xff\xe5\x00\x01"),
        a_jpeg()[:20] + b"junk" + a_jpeg()[20:],
        b"\xff\xd8\xff" + b"text that goes on and on" * 9,
    ],
)
def test_a_damaged_structure_is_refused(data: bytes) -> None:
    assert refused(data) in (Reason.BROKEN, Reason.TRUNCATED)


def test_random_damage_never_raises_anything_else() -> None:
    dice = random.Random(7)
    good = with_exif(6, taken="2026:03:01 12:30:05")
    for _ in range(400):
        data = bytearray(good)
        for _ in range(dice.randint(1, 12)):
            data[dice.randrange(len(data))] = dice.randrange(256)
        try:
            inspect(bytes(data))
            derivatives(io.BytesIO(bytes(data)))
        except UnfitImage:
            continue


# Derivatives


def test_derivatives_have_the_asked_widths_and_the_pictures_shape() -> None:
    made = derivatives(io.BytesIO(draw_frame("CAM-01", NOON)))
    assert set(made) == {320, 960}
    for width, data in made.items():
        with Image.open(io.BytesIO(data)) as small:
            assert (small.format, small.size) == ("WEBP", (width, width * 9 // 16))
    assert len(made[320]) < len(made[960])


def test_a_small_picture_is_never_enlarged() -> None:
    made = derivatives(io.BytesIO(a_jpeg((400, 300))))
    sizes = {width: Image.open(io.BytesIO(data)).size for width, data in made.items()}
    assert sizes == {320: (320, 240), 960: (400, 300)}


@pytest.mark.parametrize("size", [(16_400, 3), (3, 16_400), (1, 1), (3, 65_000)])
def test_pictures_of_extreme_shape_have_derivatives_too(size: tuple[int, int]) -> None:
    for width, data in derivatives(io.BytesIO(a_jpeg(size))).items():
        with Image.open(io.BytesIO(data)) as small:
            assert small.width <= min(width, size[0])
            assert small.height <= min(16_383, size[1])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_derivatives_stand_upright_as_viewers_show_the_original(orientation: int) -> None:
    data = with_exif(orientation)
    facts = inspect(data)
    assert (facts.width, facts.height) == ((80, 40) if orientation < 5 else (40, 80))
    small = Image.open(io.BytesIO(derivatives(io.BytesIO(data), (20,))[20]))
    assert small.width == 20
    assert small.height == (10 if orientation < 5 else 40)
    # Where the red half, stored left, must be seen for each value of the EXIF tag.
    seen = {
        1: "left",
        2: "right",
        3: "right",
        4: "left",
        5: "top",
        6: "top",
        7: "bottom",
        8: "bottom",
    }
    w, h = small.size
    corner = {
        "left": (1, h // 2),
        "right": (w - 2, h // 2),
        "top": (w // 2, 1),
        "bottom": (w // 2, h - 2),
    }
    for place, at in corner.items():
        pixel = small.getpixel(at)
        assert isinstance(pixel, tuple)
        if place == seen[orientation]:
            assert pixel[0] > 150 > pixel[2]
        elif {place, seen[orientation]} in ({"left", "right"}, {"top", "bottom"}):
            assert pixel[2] > 150 > pixel[0]


def test_no_widths_make_no_derivatives_and_a_width_of_nothing_is_a_mistake() -> None:
    assert derivatives(io.BytesIO(a_jpeg()), ()) == {}
    with pytest.raises(ValueError, match="one pixel"):
        derivatives(io.BytesIO(a_jpeg()), (0,))
