"""Reads a small JSON body into a struct, and says what is wrong with it in the catalogue's words."""

from __future__ import annotations

import re
from typing import TypeVar

import msgspec
from starlette.requests import Request

from api.graphql.body import read_body
from api.graphql.negotiation import is_json
from patrol.errors import BodyNotJson, ContentTypeUnsupported, VariableInvalid

T = TypeVar("T", bound=msgspec.Struct)

SMALL = 16 * 1024
"""Bytes; the largest honest message at these doors has about two thousand."""

_WANTED = "The body must be one JSON object in UTF-8."
_PLACE = re.compile(r" - at `\$\.?(.*?)`$")


async def read_json(request: Request, kind: type[T], limit: int = SMALL) -> T:
    """The body as `kind`; members that it does not know are left alone, so that newer apps can speak to older servers.

    Raises:
        ContentTypeUnsupported, BodyTooLarge, BodyEncodingInvalid: before it is read.
        BodyNotJson: no JSON, or no object.
        VariableInvalid: a member is missing or of another type; `path` names it.
    """
    if not is_json(request.headers.get("content-type", "")):
        raise ContentTypeUnsupported("Send Content-Type: application/json in UTF-8.")
    body = await read_body(request, limit)
    try:
        # Decoded here, because the decoder looks only at the members that `kind` has.
        if not body.decode().lstrip(" \t\r\n").startswith("{"):
            raise BodyNotJson(_WANTED)
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        said = str(error)
        place = _PLACE.search(said)
        path = place[1] if place else ""
        raise VariableInvalid(
            f"{path or 'The body'}: {_PLACE.sub('', said)}.", **({"path": path} if path else {})
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BodyNotJson(_WANTED) from None
