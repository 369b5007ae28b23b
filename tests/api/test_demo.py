"""The demo as somebody types it, on the session's servers: it agrees, and it notices when it does not."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from storage.embedded import EmbeddedS3

Demo = Callable[..., subprocess.CompletedProcess[str]]

LONGEST = 120
"""Seconds; a run takes about fifteen on a busy machine of two cores."""


@pytest.fixture
def demo(login_url: str, fresh_database_url: str, s3: EmbeddedS3, tmp_path: Path) -> Demo:
    """`patrol demo --quick` with a server of its own over this test's database and the session's store."""
    settings = {
        "PATROL_DATABASE_URL": login_url,
        "PATROL_DATABASE_OWNER_URL": fresh_database_url,
        "PATROL_S3_URL": f"http://{s3.endpoint}",
        "PATROL_S3_ACCESS_KEY": s3.access_key,
        "PATROL_S3_SECRET_KEY": s3.secret_key,
        "PATROL_S3_REGION": s3.region,
        "PATROL_S3_PREFIX": f"d{secrets.token_hex(4)}-",
        "PATROL_DATA_DIR": str(tmp_path / "nothing-runs-here"),
    }
    kept = {name: text for name, text in os.environ.items() if not name.startswith("PATROL_")}

    def run(*more: str) -> subprocess.CompletedProcess[str]:
        data = str(tmp_path / "demo")
        return subprocess.run(
            [sys.executable, "-m", "api.cli", "demo", "--quick", "--data-dir", data, *more],
            env=kept | settings,
            capture_output=True,
            text=True,
            timeout=LONGEST,
            check=False,
        )

    return run


def test_everybody_agrees_at_the_end_of_the_hour_also_with_photographs(
    demo: Demo, tmp_path: Path
) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    Image.effect_mandelbrot((2400, 1600), (-2, -1, 1, 1), 40).save(photos / "large.png")
    Image.linear_gradient("L").convert("RGB").resize((640, 480)).save(photos / "small.webp")
    told = demo("--photos", str(photos))
    assert told.returncode == 0, told.stdout + told.stderr
    assert "Everybody agrees." in told.stdout
    assert "raised without signal" in told.stdout
    assert "accepted by Firebase" in told.stdout


def test_a_phone_that_lost_one_row_is_found_and_the_exit_code_is_1(demo: Demo) -> None:
    told = demo("--break", "--phones", "3")
    assert told.returncode == 1, told.stdout + told.stderr
    assert "They do NOT agree" in told.stdout
    differing = [line for line in told.stdout.splitlines() if line.lstrip().startswith("1 differ")]
    # The records, pictures and partners are as they were; only what looks at copies may complain.
    assert [line.split("(")[0].split(None, 2)[2].strip() for line in differing] == [
        "each copy = a new phone's first fill",
        "copies = each other, scope by scope",
        "copies = the administrator's lists",
    ]
