"""A phone with a key of its own, as an app would have it: it signs its proofs and remembers what it was told."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as p256
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import ECAlgorithm, OKPAlgorithm
from jwt.api_jws import PyJWS

from patrol.identity import AccessTokens, Phone, PhoneKey, SignedIn, enrol, refresh, sha256_text
from storage.database import Database


def p256_key() -> EllipticCurvePrivateKey:
    """A key as the secure hardware of many phones makes it."""
    return p256(SECP256R1())


@dataclass
class SigningPhone:
    """Signs in through the rules themselves; the HTTP tests use only its key."""

    private: Any = field(default_factory=Ed25519PrivateKey.generate)

    @property
    def algorithm(self) -> str:
        return "EdDSA" if isinstance(self.private, Ed25519PrivateKey) else "ES256"

    @property
    def jwk(self) -> dict[str, Any]:
        maker = OKPAlgorithm if self.algorithm == "EdDSA" else ECAlgorithm
        jwk = maker.to_jwk(self.private.public_key(), as_dict=True)
        return {**jwk, "use": "sig"}

    def signed(self, said: object, *, algorithm: str | None = None, key: Any = None) -> str:
        """A compact JWS over anything."""
        return PyJWS().encode(
            json.dumps(said).encode(), key or self.private, algorithm=algorithm or self.algorithm
        )

    def enrol_proof(self, code: str) -> str:
        return self.signed({"aud": "enrol", "code_sha256": sha256_text(code)})

    def refresh_proof(self, token: str) -> str:
        return self.signed({"aud": "refresh", "token_sha256": sha256_text(token)})

    def surrender_proof(self, session: str, batch: str) -> str:
        said = {"aud": "surrender", "session": session, "batch_sha256": sha256_text(batch)}
        return self.signed(said)

    def wiped_proof(self, session: str) -> str:
        return self.signed({"aud": "wiped", "session": session})

    async def enrol(self, database: Database, access: AccessTokens, code: str) -> SignedIn:
        phone = Phone(PhoneKey.of(self.jwk), "android", "Test", "1.0")
        return await enrol(database, access, code=code, proof=self.enrol_proof(code), phone=phone)

    async def refresh(self, database: Database, access: AccessTokens, token: str) -> SignedIn:
        return await refresh(database, access, refresh_token=token, proof=self.refresh_proof(token))
