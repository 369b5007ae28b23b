"""What a token or proof must be to be believed, and everything that looks like one."""

from __future__ import annotations

import hmac
import json
from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from uuid import UUID, uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from jwt.algorithms import RSAAlgorithm

from patrol.errors import (
    DeviceProofInvalid,
    NotSignedIn,
    RefreshTokenInvalid,
    TokenExpired,
    VariableInvalid,
)
from patrol.identity import AccessTokens, PhoneKey, sha256_text
from patrol.identity.refresh_tokens import RefreshToken, read_refresh_token
from patrol.keys import Key, KeySet
from tests.signing_phone import SigningPhone, p256_key

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def a_key(kid: str = "k1", **options: datetime | None) -> Key:
    return Key(kid, sha256(kid.encode()).digest(), LONG_AGO, options.get("believed_until"))


@pytest.fixture
def keys() -> KeySet:
    return KeySet({"k1": a_key()})


@pytest.fixture
def access(keys: KeySet) -> AccessTokens:
    return AccessTokens(keys)


def issued(access: AccessTokens) -> str:
    return access.issue(
        officer_id=uuid4(),
        session_id=uuid4(),
        device_id=uuid4(),
        station_id=uuid4(),
        role="OFFICER",
    )


def part(said: object) -> str:
    return urlsafe_b64encode(json.dumps(said).encode()).rstrip(b"=").decode()


def claims_of(token: str) -> dict[str, object]:
    claims: dict[str, object] = jwt.decode(token, options={"verify_signature": False})
    return claims


# Access tokens


def test_a_token_says_who_where_and_for_how_long(access: AccessTokens) -> None:
    officer, session, device, station = (uuid4() for _ in range(4))
    token = access.issue(
        officer_id=officer,
        session_id=session,
        device_id=device,
        station_id=station,
        role="SUPERVISOR",
    )
    assert jwt.get_unverified_header(token) == {"alg": "EdDSA", "kid": "k1", "typ": "JWT"}
    said = claims_of(token)
    assert (said["sub"], said["sid"], said["did"], said["sta"], said["role"]) == (
        *map(str, (officer, session, device, station)),
        "SUPERVISOR",
    )
    assert said["exp"] - said["iat"] == 600  # type: ignore[operator] # both are numbers
    for _ in range(2):
        claims = access.verify(token)
        assert (
            claims.principal.id,
            claims.principal.credential_id,
            claims.principal.device_id,
        ) == (
            officer,
            session,
            device,
        )


def test_forged_tokens_are_refused(access: AccessTokens, keys: KeySet) -> None:
    token = issued(access)
    claims = claims_of(token)
    header, body, signature = token.split(".")
    public = keys.current.token_key.public_key()
    raw = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def hs256(secret: bytes) -> str:
        signed = f"{part({'alg': 'HS256', 'typ': 'JWT', 'kid': 'k1'})}.{body}"
        mac = hmac.digest(secret, signed.encode(), sha256)
        return f"{signed}.{urlsafe_b64encode(mac).rstrip(b'=').decode()}"

    def resigned(key: Ed25519PrivateKey, **headers: object) -> str:
        return jwt.encode(claims, key, algorithm="EdDSA", headers={"kid": "k1", **headers})

    stranger = Ed25519PrivateKey.generate()
    for forged in (
        f"{part({'alg': 'none', 'kid': 'k1'})}.{body}.",
        f"{part({'alg': 'None', 'kid': 'k1'})}.{body}.",
        hs256(raw),
        hs256(pem),
        hs256(b""),
        resigned(stranger),
        resigned(stranger, jwk={"kty": "OKP", "crv": "Ed25519", "x": part("x")}),
        resigned(keys.current.token_key, kid="unknown"),
        resigned(keys.current.token_key, kid=""),
        f"{part({'alg': 'EdDSA'})}.{body}.{signature}",
        f"{part({'alg': 'EdDSA', 'kid': ['k1']})}.{body}.{signature}",
        f"{header}.{part({**claims, 'role': 'SUPERVISOR'})}.{signature}",
        f"{header}.{body}.{signature[:-4]}AAAA",
        f"{header}.{body}",
        f"{header}.{body}.{signature}.{signature}",
        "ก.ข.ค",
        "..",
        "",
        "x" * 5000,
    ):
        with pytest.raises(NotSignedIn) as refused:
            access.verify(forged)
        assert refused.value.code == "NOT_SIGNED_IN"


@pytest.mark.parametrize("name", ["sub", "sid", "did", "sta", "role", "iat", "exp"])
def test_a_token_of_our_key_without_a_claim_is_refused(
    access: AccessTokens, keys: KeySet, name: str
) -> None:
    claims = claims_of(issued(access))
    for broken in ({k: v for k, v in claims.items() if k != name}, {**claims, name: None}):
        token = jwt.encode(broken, keys.current.token_key, algorithm="EdDSA", headers={"kid": "k1"})
        with pytest.raises(NotSignedIn):
            access.verify(token)


def test_a_token_made_for_another_purpose_of_the_same_key_is_refused(
    access: AccessTokens, keys: KeySet
) -> None:
    other = Ed25519PrivateKey.from_private_bytes(keys.current.derived("receipt"))
    token = jwt.encode(claims_of(issued(access)), other, algorithm="EdDSA", headers={"kid": "k1"})
    with pytest.raises(NotSignedIn):
        access.verify(token)


def test_a_remembered_token_still_ends(keys: KeySet) -> None:
    access = AccessTokens(keys, lifetime=timedelta(seconds=2))
    token = issued(access)
    access.verify(token)
    mark, (kid, claims) = next(iter(access._verified.items()))
    ended = type(claims)(
        claims.officer_id,
        claims.session_id,
        claims.device_id,
        claims.station_id,
        claims.role,
        datetime.now(UTC),
    )
    access._verified[mark] = (kid, ended)
    with pytest.raises(TokenExpired):
        access.verify(token)
    assert not access._verified


def test_an_expired_token_is_never_remembered(keys: KeySet) -> None:
    access = AccessTokens(keys, lifetime=timedelta(seconds=-1))
    with pytest.raises(TokenExpired):
        access.verify(issued(access))
    assert not access._verified


def test_keys_overlap_and_a_retired_one_is_refused_also_when_its_token_is_remembered(
    keys: KeySet,
) -> None:
    access = AccessTokens(keys)
    old = issued(access)
    access.verify(old)
    keys.replace(KeySet({"k1": a_key(), "k2": Key("k2", b"2" * 32, datetime.now(UTC), None)}))
    new = issued(access)
    assert jwt.get_unverified_header(new)["kid"] == "k2"
    access.verify(old)
    access.verify(new)
    keys.replace(
        KeySet(
            {
                "k1": a_key(believed_until=datetime.now(UTC)),
                "k2": Key("k2", b"2" * 32, LONG_AGO, None),
            }
        )
    )
    with pytest.raises(NotSignedIn):
        access.verify(old)
    access.verify(new)


def test_only_so_many_tokens_are_remembered(keys: KeySet) -> None:
    access = AccessTokens(keys, remembered=3)
    tokens = [issued(access) for _ in range(5)]
    for token in tokens:
        access.verify(token)
    assert len(access._verified) == 3
    access.verify(tokens[0])


@given(st.text(max_size=200))
def test_no_text_breaks_the_reading_of_tokens_and_proofs(text: str) -> None:
    keys = KeySet({"k1": a_key()})
    with pytest.raises(NotSignedIn):
        AccessTokens(keys).verify(text)
    with pytest.raises(RefreshTokenInvalid):
        read_refresh_token(keys, text)
    with pytest.raises(DeviceProofInvalid):
        PhoneKey.of(SigningPhone().jwk).check(text, "refresh", token_sha256="x")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
        max_leaves=8,
    )
)
def test_no_payload_breaks_the_reading_of_a_proof(said: object) -> None:
    phone = SigningPhone()
    proof = phone.signed(said)
    with pytest.raises(DeviceProofInvalid):
        PhoneKey.of(phone.jwk).check(proof, "refresh", token_sha256="x")


def test_a_refresh_token_is_the_same_text_each_time(keys: KeySet) -> None:
    token = RefreshToken(UUID(int=7), 3)
    assert token.written(keys) == token.written(keys)
    assert read_refresh_token(keys, token.written(keys)) == token


# The phone's key


def test_the_thumbprint_is_that_of_rfc_7638_and_rfc_8037() -> None:
    # RFC 8037, appendix A.3.
    key = PhoneKey.of(
        {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
    )
    assert key.thumbprint == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


@pytest.mark.parametrize("private", [None, p256_key()], ids=["Ed25519", "P-256"])
def test_a_proof_holds_for_its_key_its_purpose_and_its_secret(private: object) -> None:
    phone = SigningPhone(private) if private else SigningPhone()
    key = PhoneKey.of(phone.jwk)
    key.check(phone.refresh_proof("t"), "refresh", token_sha256=sha256_text("t"))
    for audience, secret in (("enrol", "t"), ("refresh", "u")):
        with pytest.raises(DeviceProofInvalid):
            key.check(phone.refresh_proof("t"), audience, token_sha256=sha256_text(secret))


def test_a_proof_with_a_time_of_a_wrong_clock_is_taken() -> None:
    phone = SigningPhone()
    said = {
        "aud": "refresh",
        "token_sha256": sha256_text("t"),
        "iat": 18_000_000_000,
        "exp": 1,
        "nbf": 18_000_000_000,
    }
    PhoneKey.of(phone.jwk).check(phone.signed(said), "refresh", token_sha256=sha256_text("t"))


def test_a_proof_with_another_algorithm_is_refused() -> None:
    phone, other = SigningPhone(), SigningPhone(p256_key())
    key = PhoneKey.of(phone.jwk)
    said = {"aud": "refresh", "token_sha256": sha256_text("t")}
    body = part(said)
    secret = phone.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    signed = f"{part({'alg': 'HS256'})}.{body}"
    mac = urlsafe_b64encode(hmac.digest(secret, signed.encode(), sha256)).rstrip(b"=").decode()
    for proof in (
        f"{part({'alg': 'none'})}.{body}.",
        f"{signed}.{mac}",
        other.signed(said),
        SigningPhone().signed(said),
        f"{phone.signed(said)}x" * 100,
    ):
        with pytest.raises(DeviceProofInvalid):
            key.check(proof, "refresh", token_sha256=sha256_text("t"))


def broken_keys() -> list[dict[str, object]]:
    ed, ec = SigningPhone().jwk, SigningPhone(p256_key()).jwk
    rsa = RSAAlgorithm.to_jwk(generate_private_key(65537, 2048).public_key(), as_dict=True)
    return [
        {},
        {"kty": "oct", "k": "c2VjcmV0"},
        dict(rsa),
        {**ed, "crv": "Ed448"},
        {**ed, "crv": ["Ed25519"]},
        {**ed, "kty": None},
        {**ed, "x": None},
        {**ed, "x": 5},
        {**ed, "x": ""},
        {**ed, "x": ed["x"][:-3]},
        {**ed, "x": ed["x"] * 2},
        {**ed, "x": "ก" * 43},
        {**ed, "x": "!" * 43},
        {**ed, "d": ed["x"]},
        {**ec, "y": ec["x"]},
        {key: value for key, value in ec.items() if key != "y"},
        {**ec, "crv": "P-384"},
        {**ec, "x": "A" * 43, "y": "A" * 43},
    ]


@pytest.mark.parametrize("number", range(18))
def test_a_key_that_is_none_of_ours_is_refused(number: int) -> None:
    with pytest.raises(VariableInvalid) as refused:
        PhoneKey.of(broken_keys()[number])
    assert refused.value.extra["path"] == "publicKey"
