"""Signed links to upload by, that bind what may be sent: these bytes, of this size and type, once, and locked as they arrive."""

from __future__ import annotations

import hmac
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Final
from urllib.parse import quote

from storage.buckets.links import LONGEST, LinkSigner

LOCK_MODE: Final = "COMPLIANCE"
"""A lock that nobody can shorten, our own credentials neither. Stores refuse to change a weaker one into it."""


@dataclass(frozen=True, slots=True)
class UploadLink:
    """Where to PUT, and the headers that must be sent just so. The client sets Content-Length by itself; it is bound too."""

    url: str
    headers: Mapping[str, str]
    expires_at: datetime


def sign_upload(
    signer: LinkSigner,
    bucket_name: str,
    key: str,
    *,
    sha256_hex: str,
    size: int,
    content_type: str,
    expires: timedelta,
    locked_until: datetime | None = None,
    at: datetime | None = None,
) -> UploadLink:
    """A link for one object. A store of full S3 refuses other bytes (BadDigest), another size or type or a missing header
    (SignatureDoesNotMatch), and a second upload (412 PreconditionFailed). Whoever relies on it verifies all the same: not
    every store checks what it is told.

    Args:
        locked_until: a lock that the object has from its first moment, in a bucket that can lock; whole seconds count.
        at: the start of `expires` instead of now.
    """
    if not timedelta(seconds=1) <= expires <= LONGEST:
        raise ValueError("a signed link lives between one second and seven days")
    start = (at or datetime.now(UTC)).astimezone(UTC)
    asked = {
        "content-type": content_type,
        "if-none-match": "*",
        "x-amz-checksum-sha256": b64encode(bytes.fromhex(sha256_hex)).decode(),
    }
    if locked_until is not None:
        asked["x-amz-object-lock-mode"] = LOCK_MODE
        asked["x-amz-object-lock-retain-until-date"] = locked_until.astimezone(UTC).strftime(
            "%Y-%m-%dT%H:%M:%SZ"
        )
    path = f"/{bucket_name}/{quote(key, safe='/~')}"
    return UploadLink(
        _signed_put(signer, path, (), asked, size, start, expires), asked, start + expires
    )


def sign_part(
    signer: LinkSigner,
    bucket_name: str,
    key: str,
    *,
    multipart_id: str,
    number: int,
    size: int,
    expires: timedelta,
    at: datetime | None = None,
) -> UploadLink:
    """A link for one part of an upload in parts. It binds the part's size and may be used again, as after a broken line."""
    if not timedelta(seconds=1) <= expires <= LONGEST:
        raise ValueError("a signed link lives between one second and seven days")
    start = (at or datetime.now(UTC)).astimezone(UTC)
    path = f"/{bucket_name}/{quote(key, safe='/~')}"
    which = (("partNumber", str(number)), ("uploadId", multipart_id))
    return UploadLink(
        _signed_put(signer, path, which, {}, size, start, expires), {}, start + expires
    )


def _signed_put(
    signer: LinkSigner,
    path: str,
    more: tuple[tuple[str, str], ...],
    asked: Mapping[str, str],
    size: int,
    start: datetime,
    expires: timedelta,
) -> str:
    """The address of a PUT by Signature Version 4; `more` of its query sorts behind `X-Amz-`."""
    signed = {**asked, "host": signer.address.netloc, "content-length": str(size)}
    names = ";".join(sorted(signed))
    stamp, day = start.strftime("%Y%m%dT%H%M%SZ"), start.strftime("%Y%m%d")
    scope = f"{day}/{signer.region}/s3/aws4_request"
    query = "&".join(
        f"{name}={quote(value, safe='')}"
        for name, value in (
            ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
            ("X-Amz-Credential", f"{signer.access_key}/{scope}"),
            ("X-Amz-Date", stamp),
            ("X-Amz-Expires", str(int(expires.total_seconds()))),
            ("X-Amz-SignedHeaders", names),
            *more,
        )
    )
    headers = "".join(f"{name}:{signed[name]}\n" for name in sorted(signed))
    canonical = f"PUT\n{path}\n{query}\n{headers}\n{names}\nUNSIGNED-PAYLOAD"
    to_sign = (
        f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{sha256(canonical.encode()).hexdigest()}".encode()
    )
    signature = hmac.digest(signer.signing_key(day), to_sign, sha256).hex()
    address = signer.address
    return f"{address.scheme}://{address.netloc}{address.path}{path}?{query}&X-Amz-Signature={signature}"
