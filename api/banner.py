"""What `patrol up` shows when everything runs: addresses, credentials, and four things to try that work when pasted."""

from __future__ import annotations

import json
import shlex
from datetime import UTC, datetime
from pathlib import Path

from api.bootstrap import Bootstrapped
from api.settings import Settings
from patrol.demo_keys import DemoKeys

EXAMPLE = "example.jpg"
PARTNER = "MST-CITY"
OFFICER = "MST-002"

CAMERAS = "{ cameras(first: 50) { ... on CameraConnection { nodes { code name nameTh picture320 } } ... on Refusal { code message } } }"
"""What the partner asks for in the second thing to try."""


def banner(settings: Settings, address: str, made: Bootstrapped, *, logs: Path) -> str:
    """The whole text. Draws the picture that the first thing to try sends; blocking."""
    parts = [
        f"\nSafe Zone Patrol runs at {address}\n",
        _lines(
            ("Phones, control room", f"{address}/graphql"),
            ("Partners", f"{address}/partner/graphql"),
            ("Administrators", f"{address}/admin/graphql"),
            ("Cameras, SOS posts", f"{address}/ingest/…"),
            ("State and figures", f"{address}/readyz  /livez  /metrics"),
            ("Data", str(settings.data_dir)),
            ("Logs", f"{logs}/serve.log  work.log"),
        ),
    ]
    if settings.firebase_credentials is None:
        parts.append(
            "Push is OFF: no Firebase credentials are set (PATROL_FIREBASE_CREDENTIALS). An SOS reaches phones only "
            "while their app is open.\n"
        )
    if made.admin_token is not None:
        parts.append(
            f"Administrator's token, shown this once:\n\n  {made.admin_token}\n\n"
            "Another one: patrol admin token\n"
        )
    else:
        parts.append("An administrator's token was made before. Another one: patrol admin token\n")
    if made.demo is not None:
        parts.append(_to_try(settings, address, made.demo))
    else:
        parts.append(
            "There is no demonstration station here. Begin with: patrol station add --help\n"
        )
    parts.append("Ctrl-C stops everything; the data is kept.")
    return "\n".join(parts)


def _to_try(settings: Settings, address: str, keys: DemoKeys) -> str:
    picture = _draw(settings.data_dir / EXAMPLE, keys.camera_code)
    send = [
        "curl -sS -X PUT",
        _bearer(keys.camera_key),
        "-H 'Content-Type: image/jpeg'",
        f"--data-binary @{shlex.quote(str(picture))}",
        f"{address}/ingest/cameras/{keys.camera_id}/snapshots",
    ]
    ask = [
        "curl -sS",
        _bearer(keys.partners[PARTNER]),
        "-H 'Content-Type: application/json'",
        f"-d {shlex.quote(json.dumps({'query': CAMERAS}))}",
        f"{address}/partner/graphql",
    ]
    press = [
        "curl -sS -X POST",
        _bearer(keys.post_key),
        f"{address}/ingest/posts/{keys.post_id}/alarm",
    ]
    return "\n".join(
        [
            "Four things to try:\n",
            f"1. Camera {keys.camera_code} sends a picture:\n\n{_command(send)}\n",
            f"2. The city ({PARTNER}), a partner, asks for the cameras and follows a signed link to it:\n\n{_command(ask)}\n",
            f"3. Somebody presses the button of SOS post {keys.post_code}:\n\n{_command(press)}\n",
            "4. Somebody without an account scans the code on that post. Open in a browser, press, and watch the page:\n",
            f"  {_help_page(address, keys)}\n",
            "See what became of it: patrol alert list   patrol alert report ID\n"
            f"Then: patrol officer enrol {OFFICER}   patrol partner list   patrol check   patrol demo\n",
        ]
    )


def _help_page(address: str, keys: DemoKeys) -> str:
    if keys.help_code:
        return f"{address}/help/{keys.help_code}"
    # The keys were kept by an earlier release, which had no such page.
    return f"patrol post qr {keys.post_code} --text --server {address}"


def _draw(path: Path, camera: str) -> Path:
    from patrol.images.frame import draw_frame

    path.write_bytes(draw_frame(camera, datetime.now(UTC)))
    return path


def _bearer(key: str) -> str:
    return f"-H 'Authorization: Bearer {key}'"


def _command(words: list[str]) -> str:
    return "  " + " \\\n    ".join(words)


def _lines(*pairs: tuple[str, str]) -> str:
    width = max(len(name) for name, _ in pairs)
    return "\n".join(f"  {name:<{width}}  {value}" for name, value in pairs) + "\n"
