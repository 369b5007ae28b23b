"""What a phone can say of a checkpoint's code without signal. Whatever it says, the check-in is recorded."""

from __future__ import annotations

from base64 import urlsafe_b64decode
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

PREFIX = "patrol://checkpoint?v=1&code="
SIGNED = b"patrol checkpoint 1"


def judge(
    content: str, keys: Mapping[str, str], checkpoints: Mapping[str, Mapping[str, Any]]
) -> str:
    """What was scanned: GOOD, NOT_OURS, OLDER, OUT_OF_USE, or UNKNOWN (a good code of a point that is not in the copy).

    Args:
        content: what the code holds, as it was read.
        keys: the public keys of `CheckpointKeys` by kid, as they were told.
        checkpoints: the pulled `checkpoints` by id.
    """
    try:
        kid, body_text, signature_text = content.removeprefix(PREFIX).split(".")
        body, signature = _bytes(body_text), _bytes(signature_text)
        if not content.startswith(PREFIX) or len(body) != 20:
            return "NOT_OURS"
        key = Ed25519PublicKey.from_public_bytes(_bytes(keys[kid]))
        key.verify(signature, SIGNED + body)
    except (ValueError, KeyError, InvalidSignature):
        return "NOT_OURS"
    point = checkpoints.get(str(UUID(bytes=body[:16])))
    if point is None:
        return "UNKNOWN"
    if not point["active"]:
        return "OUT_OF_USE"
    return "OLDER" if int.from_bytes(body[16:], "big") < point["codeNumber"] else "GOOD"


def _bytes(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
