"""A Firebase that runs on this machine, so that tests and the demo send real pushes with the real SDK.

    with FakeFirebase() as firebase:
        notifier = notifier_from(firebase.service_account(), endpoint=firebase.url)
        firebase.will_answer(answers.unregistered(), to="an address")

It speaks the token service of Google (and checks the signature of what asks for a token) and `messages:send` of the
FCM v1 API, and it keeps every message it was given. It lives beside the adapter because the demo runs it too.
"""

from __future__ import annotations

from api.fake_firebase import answers
from api.fake_firebase.answers import Answer
from api.fake_firebase.server import Arrival, FakeFirebase

__all__ = ["Answer", "Arrival", "FakeFirebase", "answers"]
