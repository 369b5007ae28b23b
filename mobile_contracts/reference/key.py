"""The key pair that a phone makes for itself: the phone is who can sign with it."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def _base64url(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _compact(value: Any) -> str:
    return _base64url(json.dumps(value, separators=(",", ":")).encode())


@dataclass(frozen=True)
class DeviceKey:
    """An Ed25519 key. Never made from a seed: two phones with one key are one phone to the server.

    An app makes it in the secure hardware of the phone, which never lets it out; here it lies in the store.
    """

    private: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate, repr=False)

    @property
    def public_jwk(self) -> dict[str, str]:
        """The public key as a JWK (RFC 8037)."""
        return {
            "kty": "OKP",
            "crv": "Ed25519",
            "x": _base64url(self.private.public_key().public_bytes_raw()),
        }

    def enrolment_proof(self, code: str) -> str:
        """Says that this key's holder has the code."""
        return self._signed({"aud": "enrol", "code_sha256": self._hash(code)})

    def refresh_proof(self, token: str) -> str:
        """Says that this key's holder has the refresh token."""
        return self._signed({"aud": "refresh", "token_sha256": self._hash(token)})

    def surrender_proof(self, session: str, batch: str) -> str:
        """Says that this key's holder hands this in."""
        said = {"aud": "surrender", "session": session, "batch_sha256": self._hash(batch)}
        return self._signed(said)

    def wiped_proof(self, session: str) -> str:
        """Says that this key's holder has erased everything."""
        return self._signed({"aud": "wiped", "session": session})

    def _signed(self, said: dict[str, str]) -> str:
        """A compact JWS (RFC 7515)."""
        text = f"{_compact({'alg': 'EdDSA'})}.{_compact(said)}"
        return f"{text}.{_base64url(self.private.sign(text.encode()))}"

    @staticmethod
    def _hash(secret: str) -> str:
        return _base64url(sha256(secret.encode()).digest())
