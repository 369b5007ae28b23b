"""The installation's secret, which wraps the signing keys: given by the environment, or made once and kept in a file."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

from api.settings import SHORTEST_SECRET, Settings, SettingsWrong

FILE = "secret"


def installation_secret(settings: Settings) -> str:
    """The secret of this installation.

    Without PATROL_SECRET it is the content of `<data_dir>/secret` (mode 0600), which is made when it is missing.
    Losing it makes all tokens and cursors void; it belongs in the backup, but not beside the database's.

    Raises:
        SettingsWrong: the file cannot be read or made, may be read by others, or is too short to be one.
    """
    if settings.secret is not None:
        return settings.secret.get_secret_value()
    path = settings.data_dir / FILE
    try:
        if not path.exists():
            _make(path)
        others = path.stat().st_mode & 0o077
        text = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        raise SettingsWrong(
            f"PATROL_SECRET is not set and {path} cannot be used: {why}. Set PATROL_SECRET, or correct the file."
        ) from error
    if others:
        raise SettingsWrong(f"{path} may be read by other users. Run: chmod 600 {path}")
    if len(text) < SHORTEST_SECRET:
        raise SettingsWrong(f"{path} is too short to be a secret. Restore it from your backup.")
    return text


def _make(path: Path) -> None:
    """Writes it aside and links it into place: two processes that start together agree on the first."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    aside = path.with_name(f"{FILE}.{secrets.token_hex(6)}")
    file = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(file, "w", encoding="ascii") as opened:
            opened.write(f"{secrets.token_urlsafe(48)}\n")
            opened.flush()
            os.fsync(file)
        with contextlib.suppress(FileExistsError):
            os.link(aside, path)
    finally:
        aside.unlink()
