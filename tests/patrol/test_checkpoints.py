"""The code that hangs at a checkpoint must be verifiable by anybody with the public key, and by nobody be made."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st
from uuid_utils.compat import uuid7

from patrol.checkpoints import PREFIX, content_of, public_key_of, read_code, sign_code
from patrol.errors import NotFound
from patrol.keys import Key, KeySet
from tests.world import now

KEY = Key("aaaa0000", bytes(range(32)), now(), None)
OTHER = Key("bbbb0000", bytes(range(1, 33)), now(), None)
POINT = uuid7()


def bare(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def test_a_code_says_its_point_and_number_and_is_the_same_each_time() -> None:
    content = sign_code(KEY, POINT, 7)
    assert content == sign_code(KEY, POINT, 7)
    assert len(content) < 180
    code = read_code(content)
    assert code is not None
    assert (code.kid, code.checkpoint_id, code.number) == ("aaaa0000", POINT, 7)
    assert code.is_signed_by(public_key_of(KEY))
    assert not code.is_signed_by(public_key_of(OTHER))
    assert not code.is_signed_by(b"no key")


def test_a_phone_verifies_a_code_as_the_protocol_says() -> None:
    """Only with what mobile_contracts/protocol.md tells, and the public key."""
    kid, body, signature = sign_code(KEY, POINT, 3).removeprefix(PREFIX).split(".")
    assert kid == "aaaa0000"
    public = Ed25519PublicKey.from_public_bytes(public_key_of(KEY))
    public.verify(bare(signature), b"patrol checkpoint 1" + bare(body))
    assert bare(body) == POINT.bytes + (3).to_bytes(4, "big")
    with pytest.raises(InvalidSignature):
        public.verify(
            bare(signature), b"patrol checkpoint 1" + POINT.bytes + (4).to_bytes(4, "big")
        )


def test_a_key_signs_codes_with_another_half_than_tokens() -> None:
    assert public_key_of(KEY) != KEY.token_key.public_key().public_bytes_raw()


@given(place=st.integers(0, 83), bit=st.integers(0, 7))
def test_no_bit_of_a_code_can_be_changed(place: int, bit: int) -> None:
    kid, body, signature = sign_code(KEY, POINT, 7).removeprefix(PREFIX).split(".")
    raw = bytearray(bare(body) + bare(signature))
    raw[place] ^= 1 << bit
    forged = [urlsafe_b64encode(part).decode().rstrip("=") for part in (raw[:20], raw[20:])]
    code = read_code(f"{PREFIX}{kid}.{forged[0]}.{forged[1]}")
    assert code is not None
    assert not code.is_signed_by(public_key_of(KEY))


@given(st.text(max_size=200))
def test_any_other_text_is_no_code(text: str) -> None:
    assert read_code(text) is None
    code = read_code(PREFIX + text)
    assert code is None or not code.is_signed_by(public_key_of(KEY))


def test_a_stored_code_is_signed_by_the_key_of_its_number_also_when_that_is_retired() -> None:
    retired = Key(KEY.kid, KEY.seed, KEY.signs_from, now())
    keys = KeySet({retired.kid: retired, OTHER.kid: OTHER})
    assert content_of(keys, POINT, 7, KEY.kid) == sign_code(KEY, POINT, 7)
    with pytest.raises(NotFound):
        content_of(keys, POINT, 7, "cccc0000")
