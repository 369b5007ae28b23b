"""Signed links, so that bytes travel between a device and the store without passing through us.

Signing is arithmetic (about 0.04 ms a link, no network), so it is plain synchronous code.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Self
from urllib.parse import quote, urlsplit, urlunsplit

from minio import Minio

from storage.buckets.purposes import Bucket

Method = Literal["GET", "PUT"]
LONGEST = timedelta(days=7)  # Signature Version 4 allows no more.
_DEFAULT_PORTS = {"http": 80, "https": 443}
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
