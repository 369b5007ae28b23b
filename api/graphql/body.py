"""Reads a request body within a limit, so that neither a long upload nor a zip bomb can fill the memory."""

import zlib

from starlette.requests import ClientDisconnect, Request

from patrol.errors import BodyEncodingInvalid, BodyTooLarge

GZIP = frozenset({"gzip", "x-gzip"})


async def read_body(request: Request, limit: int) -> bytes:
    """The body, decompressed if it is gzip; `limit` in bytes holds before and after decompression.

    The refusal comes as soon as the limit is passed, not when the upload ends.

    Raises:
        BodyTooLarge: over the limit.
        BodyEncodingInvalid: another encoding than gzip, or bytes that are not gzip.
        ClientDisconnect: the client went away.
    """
    encoding = request.headers.get("content-encoding", "").strip().lower()
    if encoding not in GZIP | {"", "identity"}:
        raise BodyEncodingInvalid("The body can be sent as it is or with Content-Encoding: gzip.")
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > limit:
        raise _too_large(limit)
    inflater = Inflater(limit) if encoding in GZIP else None
    parts: list[bytes] = []
    received = 0
    more = True
    while more:
        # Not by `request.stream()`: on the way of every request its generator costs more than the rest of this.
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk = message.get("body", b"")
        more = message.get("more_body", False)
        received += len(chunk)
        if received > limit:
            raise _too_large(limit)
        parts.append(inflater.feed(chunk) if inflater else chunk)
    if inflater:
        inflater.finish()
    return parts[0] if len(parts) == 1 else b"".join(parts)


class Inflater:
    """Decompresses one gzip member and never produces more than `limit` bytes.

    Several members in one body are legal gzip but refused: thousands of empty ones cost much and carry nothing.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._room = limit
        self._member = zlib.decompressobj(wbits=31)

    def feed(self, chunk: bytes) -> bytes:
        if not chunk:
            return b""
        try:
            # One byte more than there is room for shows an overflow; zlib reads 0 as "no limit".
            plain = self._member.decompress(chunk, self._room + 1)
        except zlib.error:
            raise BodyEncodingInvalid("The body is not valid gzip.") from None
        if len(plain) > self._room:
            raise _too_large(self._limit)
        if self._member.unused_data:
            raise BodyEncodingInvalid("The body goes on after the end of its gzip data.")
        self._room -= len(plain)
        return plain

    def finish(self) -> None:
        if not self._member.eof:
            raise BodyEncodingInvalid("The gzip data of the body ends too early.")


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(f"The body is larger than {limit} bytes.", limit=limit)
