"""A phone's own public key: what names the phone, and what every proof must have been signed with.

A proof is a compact JWS (RFC 7515) over a small JSON object. It holds no time, because a phone's clock may be wrong by
years and must not sign anybody out; what it holds instead is the hash of the very secret that it accompanies.
"""

from __future__ import annotations

import json
from base64 import b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePublicKey,
    EllipticCurvePublicNumbers,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from jwt.api_jws import PyJWS

from patrol.errors import DeviceProofInvalid, VariableInvalid

LONGEST_PROOF = 4096
"""Characters; a proof of ours has about 250."""

_JWS = PyJWS(algorithms=["EdDSA", "ES256"])
_SHAPES = {("OKP", "Ed25519"): ("EdDSA", ("x",)), ("EC", "P-256"): ("ES256", ("x", "y"))}


def base64url(data: bytes) -> str:
    """Base64url without padding, as JOSE writes it."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def sha256_text(text: str) -> str:
    """The SHA-256 of a text in UTF-8, as base64url without padding: how a proof names the secret it belongs to."""
    return base64url(sha256(text.encode()).digest())


@dataclass(frozen=True, slots=True)
class PhoneKey:
    """The public key of a phone. `jwk` has the required members only, each in its one canonical spelling."""

    algorithm: str
    jwk: Mapping[str, str]
    public: Ed25519PublicKey | EllipticCurvePublicKey

    @classmethod
    def of(cls, jwk: Mapping[str, object]) -> PhoneKey:
        """Reads a JWK: Ed25519 (RFC 8037), or P-256 where the phone's secure hardware has nothing else.

        Raises:
            VariableInvalid: another kind of key, a broken one, or a private one.
        """
        if "d" in jwk:
            raise _unfit("the private key must never leave the phone; send the public one")
        kind, curve = jwk.get("kty"), jwk.get("crv")
        shape = (
            _SHAPES.get((kind, curve)) if isinstance(kind, str) and isinstance(curve, str) else None
        )
        if shape is None:
            raise _unfit("the key must be OKP with Ed25519, or EC with P-256")
        algorithm, members = shape
        numbers = {member: _number(jwk.get(member)) for member in members}
        try:
            public = _public(algorithm, numbers)
        except ValueError as error:
            raise _unfit("these numbers are no key of this curve") from error
        # Spelled by us: the same key written in two ways must not become two phones.
        canonical = {"crv": str(curve), "kty": str(kind)}
        canonical |= {member: base64url(number) for member, number in numbers.items()}
        return cls(algorithm, canonical, public)

    @property
    def thumbprint(self) -> str:
        """The name of the key (RFC 7638), and so of the phone."""
        return base64url(
            sha256(
                json.dumps(dict(self.jwk), sort_keys=True, separators=(",", ":")).encode()
            ).digest()
        )

    def check(self, proof: str, audience: str, **named: str) -> None:
        """Holds a proof to this key, to `audience` and to exactly the secret whose hash `named` gives.

        Raises:
            DeviceProofInvalid: another key, another algorithm, or a proof made for something else.
        """
        if len(proof) > LONGEST_PROOF:
            raise DeviceProofInvalid(f"A proof has at most {LONGEST_PROOF} characters.")
        try:
            payload = _JWS.decode(proof, self.public, algorithms=[self.algorithm])
            said = json.loads(payload)
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
            raise DeviceProofInvalid(
                f"The proof is no compact JWS that this phone's key signed with {self.algorithm}."
            ) from error
        if not isinstance(said, dict):
            raise DeviceProofInvalid("The proof's payload is not a JSON object.")
        for member, wanted in {"aud": audience, **named}.items():
            if said.get(member) != wanted:
                raise DeviceProofInvalid(f"The proof was made for another `{member}`.")


def _public(
    algorithm: str, numbers: Mapping[str, bytes]
) -> Ed25519PublicKey | EllipticCurvePublicKey:
    if algorithm == "EdDSA":
        return Ed25519PublicKey.from_public_bytes(numbers["x"])
    x, y = (int.from_bytes(numbers[member], "big") for member in ("x", "y"))
    return EllipticCurvePublicNumbers(x, y, SECP256R1()).public_key()


def _number(written: object) -> bytes:
    """32 bytes from base64url; padding and the ordinary alphabet are what careless libraries write."""
    if not isinstance(written, str) or len(written) > 64:
        raise _unfit("each number of the key is 32 bytes in base64url")
    plain = written.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        number = b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (Base64Error, ValueError) as error:
        raise _unfit("each number of the key is 32 bytes in base64url") from error
    if len(number) != 32:
        raise _unfit("each number of the key is 32 bytes in base64url")
    return number


def _unfit(why: str) -> VariableInvalid:
    return VariableInvalid(f"publicKey: {why}.", path="publicKey")
