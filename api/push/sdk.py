"""Everything that reaches into firebase-admin itself, so that an upgrade of the SDK is judged in one small file."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import firebase_admin
from firebase_admin import messaging
from google.auth import credentials as google_credentials
from google.auth.transport import requests as google_requests
from google.oauth2 import service_account

SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
"""The one right that is asked for; the SDK's own default asks for the whole cloud project."""

AGEING = timedelta(minutes=10)
"""A token is renewed when less than this is left; google-auth itself refuses to use one with under 3:45 left."""


class CredentialsUnfit(ValueError):
    """The Firebase credentials cannot be used; the message says why in plain words."""


class Credential(google_credentials.Credentials):
    """A service account's access token, fetched with a time limit.

    It wraps the library's own credential for three reasons. The library fetches tokens with a limit of 120 s, in
    whatever thread happens to send. It would ask for all rights on the project. And since google-auth 2.55 it looks
    up "regional access boundaries" at Google in a background thread for every service account, which cannot be
    turned off (googleapis/google-cloud-python#17653) and would carry the tokens of tests out of the machine.
    """

    def __init__(self, account: Mapping[str, Any], *, timeout: float) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # google-auth annotates only a part of itself
        self.token: str | None = None
        self._timeout = timeout
        if account.get("type") != "service_account" or not account.get("project_id"):
            raise CredentialsUnfit(
                "The Firebase credentials are not a service account of a project."
            )
        try:
            self._account = service_account.Credentials.from_service_account_info(  # type: ignore[no-untyped-call] # as above
                dict(account), scopes=[SCOPE]
            )
        except ValueError as error:
            raise CredentialsUnfit(
                "The Firebase credentials are incomplete or their private key cannot be read."
            ) from error

    @property
    def ageing(self) -> bool:
        """True when the token should be renewed although it may still be good."""
        expiry: datetime | None = self.expiry
        if not self.valid or expiry is None:
            return not self.valid
        # google-auth keeps its times as naive UTC.
        return datetime.now(UTC).replace(tzinfo=None) >= expiry - AGEING

    def renew(self) -> None:
        """Fetches a token; blocks, so call it in a thread.

        Raises:
            google.auth.exceptions.GoogleAuthError: refused, or the token service was not reached.
        """
        self.refresh(google_requests.Request())

    def refresh(self, request: Any) -> None:
        """What the SDK calls when it finds no valid token; `request` is its HTTP transport."""
        self._account.refresh(functools.partial(request, timeout=self._timeout))
        # The expiry goes first: another thread that sees the new token must not judge it by the old expiry.
        self.expiry = self._account.expiry
        self.token = self._account.token


def open_app(
    account: Mapping[str, Any], credential: Credential, *, endpoint: str | None, timeout: float
) -> firebase_admin.App:
    """A Firebase app of its own name, so that several live in one process; `timeout` is per connection step."""
    app = firebase_admin.initialize_app(
        credential,
        {"projectId": account["project_id"], "httpTimeout": timeout},
        name=f"patrol-{uuid4()}",
    )
    if endpoint is not None:
        redirect(app, endpoint)
    return app


def redirect(app: firebase_admin.App, endpoint: str) -> None:
    """Points the app at another FCM service.

    The SDK offers no public way, so this is the one place that uses private names of it;
    tests/api/test_push.py fails when an upgrade removes them.
    """
    service = messaging._get_messaging_service(app)
    service._fcm_url = f"{endpoint.rstrip('/')}/v1/projects/{app.project_id}/messages:send"
