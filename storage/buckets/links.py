"""Signed links, so that bytes travel between a device and the store without passing through us.

Signing is arithmetic (no network), so it is plain synchronous code. minio's takes 0.04 ms a link, which is most of the
time of an answer with hundreds of pictures; so what such links share is taken once from a link of minio's (see `Reads`).
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from time import time
from typing import Literal, Self
from urllib.parse import quote, urlsplit, urlunsplit

from minio import Minio

from storage.buckets.purposes import Bucket

Method = Literal["GET", "PUT"]
LONGEST = timedelta(days=7)  # Signature Version 4 allows no more.
STEADY_SECONDS = 300
"""For how long a picture has the same link, at most: so that a phone or browser that has it does not fetch it again."""
_DEFAULT_PORTS = {"http": 80, "https": 443}
_PLAIN_PART = "[A-Za-z0-9_~-][A-Za-z0-9_.~-]*"
_PLAIN_KEY = re.compile(f"{_PLAIN_PART}(?:/{_PLAIN_PART})*")
_UNSAFE_IN_NAME = re.compile(r'[^ !#-\[\]-~]|[/;%"]')


@dataclass(frozen=True, slots=True)
class PublicAddress:
    """Where phones and browsers reach the store: scheme, host with port, and a path that a proxy takes away.

    The signature covers the Host header and the path that the *store* sees. So a proxy in front must pass
    Host on unchanged and must strip `path`; the link is signed as if `path` were not there.
    """

    scheme: str
    netloc: str
    path: str

    @classmethod
    def parse(cls, text: str, *, secure: bool) -> Self:
        """From `https://media.example/store` or `10.0.0.5:9000` (then `secure` decides). ValueError if it
        cannot be signed for."""
        parts = urlsplit(text if "://" in text else f"{'https' if secure else 'http'}://{text}")
        scheme = parts.scheme.lower()
        if scheme not in _DEFAULT_PORTS or not parts.hostname:
            raise ValueError(f"public store address {text!r}: http or https with a host")
        if parts.query or parts.fragment or parts.username is not None:
            raise ValueError("public store address: no user, query or fragment")
        # Browsers send the host in lower case and leave out the default port; the signature must agree.
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        port = parts.port
        netloc = host if port in (None, _DEFAULT_PORTS[scheme]) else f"{host}:{port}"
        return cls(scheme, netloc, parts.path.rstrip("/"))


class LinkSigner:
    """Makes signed links that carry the public address."""

    def __init__(
        self, address: PublicAddress, access_key: str, secret_key: str, *, region: str
    ) -> None:
        self.address = address
        self.region = region
        self.access_key = access_key
        self._secret = secret_key
        self._reads: dict[tuple[str, int], Reads] = {}
        self._client = Minio(
            address.netloc,
            access_key=access_key,
            secret_key=secret_key,
            region=region,
            secure=address.scheme == "https",
        )

    def sign(
        self,
        method: Method,
        bucket_name: str,
        key: str,
        *,
        expires: timedelta,
        version_id: str | None = None,
        content_type: str | None = None,
        filename: str | None = None,
        attachment: bool = False,
        at: datetime | None = None,
    ) -> str:
        """One link. `content_type`, `filename` and `attachment` are what the reader of a GET is told,
        whatever the object says of itself. `at` replaces now as the start of `expires`."""
        told: dict[str, str | list[str] | tuple[str]] = {}
        if content_type is not None:
            told["response-content-type"] = content_type
        if filename is not None or attachment:
            told["response-content-disposition"] = disposition(filename, attachment=attachment)
        if method == "PUT" and (told or version_id):
            raise ValueError("an upload link tells its reader nothing and names no version")
        if not timedelta(seconds=1) <= expires <= LONGEST:
            raise ValueError("a signed link lives between one second and seven days")
        link = self._client.get_presigned_url(
            method,
            bucket_name,
            key,
            expires=expires,
            response_headers=told,
            request_date=at,
            version_id=version_id,
        )
        if not self.address.path:
            return link
        parts = urlsplit(link)
        return urlunsplit(parts._replace(path=self.address.path + parts.path))

    def steady(self, bucket_name: str, key: str, *, lasting: timedelta) -> str:
        """A link that is the same for minutes and is good for at least `lasting`, at most a twelfth longer."""
        seconds = int(lasting.total_seconds())
        # No link may live longer than seven days, so that one which should cannot begin in the past.
        step = min(STEADY_SECONDS, seconds // 12, int(LONGEST.total_seconds()) - seconds)
        now = int(time())
        start = now - now % step if step else now
        reads = self._reads.get((bucket_name, seconds))
        if reads is None or reads.start != start:
            reads = Reads.of(self, bucket_name, start, seconds + step)
            self._reads[bucket_name, seconds] = reads
        if _PLAIN_KEY.fullmatch(key):
            return reads.link(key)
        # What must be quoted, and what no store takes, is for minio to say.
        at = datetime.fromtimestamp(start, UTC)
        return self.sign("GET", bucket_name, key, expires=timedelta(seconds=seconds + step), at=at)

    def signing_key(self, day: str) -> bytes:
        """What signs the links of a day (`20260131`), by Signature Version 4."""
        key = b"AWS4" + self._secret.encode()
        for part in (day, self.region, "s3", "aws4_request"):
            key = hmac.digest(key, part.encode(), sha256)
        return key


@dataclass(frozen=True, slots=True)
class Reads:
    """What the reading links of one bucket share that begin at the same second (`start`, Unix time).

    `before` and `query` stand around the key in a link; `canonical` and `signed` around what is hashed and signed.
    """

    start: int
    before: str
    query: str
    canonical: tuple[str, str]
    signed: bytes
    key: bytes

    @classmethod
    def of(cls, signer: LinkSigner, bucket_name: str, start: int, seconds: int) -> Self:
        """Taken from a link that minio signs for a key of one letter."""
        at = datetime.fromtimestamp(start, UTC)
        sample = signer.sign("GET", bucket_name, "k", expires=timedelta(seconds=seconds), at=at)
        parts = urlsplit(sample)
        query = parts.query.partition("&X-Amz-Signature=")[0]
        path = parts.path.removeprefix(signer.address.path).removesuffix("k")
        stamp, day = at.strftime("%Y%m%dT%H%M%SZ"), at.strftime("%Y%m%d")
        scope = f"{day}/{signer.region}/s3/aws4_request"
        return cls(
            start,
            sample.partition("?")[0].removesuffix("k"),
            f"?{query}&X-Amz-Signature=",
            (f"GET\n{path}", f"\n{query}\nhost:{parts.netloc}\n\nhost\nUNSIGNED-PAYLOAD"),
            f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n".encode(),
            signer.signing_key(day),
        )

    def link(self, key: str) -> str:
        """The link of one object, whose key needs no quoting."""
        before, after = self.canonical
        hashed = sha256(f"{before}{key}{after}".encode()).hexdigest()
        signature = hmac.digest(self.key, self.signed + hashed.encode(), sha256).hex()
        return f"{self.before}{key}{self.query}{signature}"


def disposition(filename: str | None, *, attachment: bool) -> str:
    """A Content-Disposition value; Thai names travel in the extended form of RFC 6266."""
    kind = "attachment" if attachment else "inline"
    if filename is None:
        return kind
    plain = _UNSAFE_IN_NAME.sub("_", filename)
    if plain == filename:
        return f'{kind}; filename="{plain}"'
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"


def bucket_name(prefix: str, bucket: Bucket) -> str:
    """The real name of a purpose's bucket in one installation."""
    return f"{prefix}{bucket.value}"
