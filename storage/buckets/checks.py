"""Proofs by doing, for `patrol check`: settings may look right while a reader gets nothing and a hold holds nothing."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import TYPE_CHECKING

import anyio.to_thread
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NameResolutionError, SSLError

from storage.buckets.connection import http_pool
from storage.buckets.purposes import Bucket
from storage.faults import StoreRefused

if TYPE_CHECKING:
    from storage.buckets.store import ObjectStore

_PLACE = "patrol-check/"
_FORBIDDEN, _GONE = 403, 404


async def prove_public_link(store: ObjectStore) -> str | None:
    """Whether a reader who follows a signed public link gets the bytes; if not, why, in plain words."""
    key, body = f"{_PLACE}{secrets.token_hex(8)}", secrets.token_bytes(16)
    stored = await store.put_bytes(
        Bucket.DERIVED, key, body, content_type="application/octet-stream"
    )
    try:
        link = store.link("GET", Bucket.DERIVED, key, expires=timedelta(minutes=5))
        return await anyio.to_thread.run_sync(_follow, link, body)
    finally:
        await store.delete(Bucket.DERIVED, key, version_id=stored.version_id)


def _follow(link: str, body: bytes) -> str | None:
    pool = http_pool(connect=2.0, read=5.0, connections=1, retry=False)
    try:
        # No more than a little of what is there: a wrong address may lead to anything.
        answer = pool.request("GET", link, redirect=False, preload_content=False)
        got, status = answer.read(1024), answer.status
        answer.close()
    except HTTPError as error:
        # Never the error's own text: it holds the link.
        return f"The public address of the store cannot be reached: {_why(error)}."
    finally:
        pool.clear()
    if status == 200 and got == body:
        return None
    if status == 200:
        return (
            "The public address of the store answers with other bytes; something else lives there."
        )
    if status == _FORBIDDEN:
        return (
            "The store refuses signed links that come through its public address. A proxy in front must pass "
            "the Host header on unchanged and take away the path of the public address; also compare clocks."
        )
    if status == _GONE:
        return "The public address answers, but the object is not there; the address leads to another store."
    return f"The public address of the store answers with status {status} to a signed link."


def _why(error: HTTPError) -> str:
    reason = getattr(error, "reason", None) or error
    if isinstance(reason, NameResolutionError):
        return "its host name is unknown"
    if isinstance(reason, SSLError):
        return "its TLS certificate is not accepted"
    if isinstance(reason, ConnectTimeoutError):
        return "nothing answers there"
    return f"the connection fails ({type(reason).__name__})"


async def prove_hold(store: ObjectStore) -> str | None:
    """Whether the store keeps a held version against our own delete. Leaves nothing behind."""
    key = f"{_PLACE}{secrets.token_hex(8)}"
    try:
        stored = await store.put_bytes(Bucket.EVIDENCE, key, b"hold", content_type="text/plain")
    except StoreRefused as refused:
        return f"The store takes no evidence: {refused.message}"
    version = stored.version_id
    if version is None:
        return "The store keeps no versions, so nothing can be held."
    try:
        await store.hold(Bucket.EVIDENCE, key, version_id=version, on=True)
    except StoreRefused as refused:
        await store.delete(Bucket.EVIDENCE, key, version_id=version)
        return f"The store does not take a legal hold: {refused.message}"
    try:
        await store.delete(Bucket.EVIDENCE, key, version_id=version)
    except StoreRefused:
        await store.hold(Bucket.EVIDENCE, key, version_id=version, on=False)
        await store.delete(Bucket.EVIDENCE, key, version_id=version)
        return None
    return "The store deleted a version that was under legal hold; it cannot keep evidence."
