"""The way to the phones through Firebase, so that `patrol/` can notify without knowing who carries the message."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from api.push.silent import SilentNotifier

if TYPE_CHECKING:
    from api.push.firebase import FirebaseNotifier
    from api.push.sdk import CredentialsUnfit

__all__ = ["CredentialsUnfit", "FirebaseNotifier", "SilentNotifier", "notifier_from"]


def __getattr__(name: str) -> Any:
    """The parts that need the SDK, whose import costs every process half a second, also where push is off."""
    if name == "FirebaseNotifier":
        from api.push.firebase import FirebaseNotifier

        return FirebaseNotifier
    if name == "CredentialsUnfit":
        from api.push.sdk import CredentialsUnfit

        return CredentialsUnfit
    raise AttributeError(name)


def notifier_from(
    credentials: Path | Mapping[str, Any] | None,
    *,
    endpoint: str | None = None,
    timeout: float = 10.0,
) -> FirebaseNotifier | SilentNotifier:
    """The notifier for these settings.

    Args:
        credentials: a service account as a JSON file or its contents; None means that push is off.
        endpoint: another address of the FCM service (tests and demo); None is Google's.
        timeout: seconds for one message; a whole batch of at most 500 ends within twice that.

    Raises:
        CredentialsUnfit: the file cannot be read or is not a service account; the message says what is wrong.
    """
    if credentials is None:
        return SilentNotifier()
    from api.push.firebase import FirebaseNotifier
    from api.push.sdk import CredentialsUnfit

    if isinstance(credentials, Path):
        try:
            account = json.loads(credentials.read_text(encoding="utf-8"))
        except OSError as error:
            raise CredentialsUnfit(
                f"The Firebase credentials cannot be read: {error.strerror}."
            ) from error
        except ValueError as error:
            raise CredentialsUnfit("The Firebase credentials are not a JSON file.") from error
        if not isinstance(account, dict):
            raise CredentialsUnfit("The Firebase credentials are not a service account.")
    else:
        account = credentials
    return FirebaseNotifier(account, endpoint=endpoint, timeout=timeout)
