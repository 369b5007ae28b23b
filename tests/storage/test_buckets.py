"""The object store against a real S3: what is kept stays, what is refused leaves nothing, and faults come fast."""

from __future__ import annotations

import hashlib
import io
import secrets
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from minio import Minio
from minio.commonconfig import ENABLED, Filter
from minio.lifecycleconfig import Expiration, LifecycleConfig, Rule
from minio.versioningconfig import SUSPENDED, VersioningConfig

from storage.buckets import Bucket, ObjectStore, Patience, links
from storage.buckets.links import LinkSigner, PublicAddress, disposition
from storage.embedded.s3 import EmbeddedS3
from storage.faults import (
    ContentDiffers,
    ObjectMissing,
    ObjectTooLarge,
    StorageFault,
    StoreRefused,
    StoreUnavailable,
)

SOON = timedelta(minutes=5)
TEXT = "text/plain"


@dataclass(frozen=True)
class Server:
    endpoint: str
    access_key: str
    secret_key: str
    region: str

    @property
    def port(self) -> int:
        return int(self.endpoint.rsplit(":", 1)[1])

    def store(self, **options: Any) -> ObjectStore:
        keys = {"access_key": self.access_key, "secret_key": self.secret_key}
        return ObjectStore(
            options.pop("endpoint", self.endpoint),
            **{**keys, "region": self.region, "secure": False, **options},
        )

    def client(self) -> Minio:
        return Minio(
            self.endpoint, self.access_key, self.secret_key, region=self.region, secure=False
        )


@pytest.fixture(scope="module")
def server(s3: EmbeddedS3) -> Server:
    return Server(s3.endpoint, s3.access_key, s3.secret_key, s3.region)


@pytest.fixture(scope="module")
async def store(server: Server) -> AsyncIterator[ObjectStore]:
    """Buckets are made once for the module; tests keep apart by their keys."""
    store = server.store(prefix=a_prefix())
    await store.ensure_buckets()
    yield store
    store.close()


def a_prefix() -> str:
    return f"t{secrets.token_hex(4)}-"


def a_key(ending: str = ".txt") -> str:
    return f"{secrets.token_hex(6)}/ภาพ {secrets.token_hex(2)}+&{ending}"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


async def in_chunks(data: bytes, size: int = 1000) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def bytes_of(store: ObjectStore, bucket: Bucket, key: str, **options: Any) -> bytes:
    into = io.BytesIO()
    await store.get(bucket, key, into, max_bytes=20_000_000, **options)
    return into.getvalue()


# Buckets


async def test_buckets_are_created_once_and_then_have_no_problems(server: Server) -> None:
    prefix = a_prefix()
    store = server.store(prefix=prefix)
    assert await store.ensure_buckets() == [f"{prefix}{bucket.value}" for bucket in Bucket]
    assert await store.ensure_buckets() == []
    assert await store.problems() == []
    by_purpose = {report.purpose: report for report in await store.inspect()}
    assert {b for b, report in by_purpose.items() if report.object_lock and report.versioning} == {
        Bucket.SNAPSHOTS,
        Bucket.EVIDENCE,
    }
    assert all(report.default_retention is None for report in by_purpose.values())
    assert by_purpose[Bucket.EXPORTS].lifecycle == (
        "objects after 7 days, replaced versions after 7 days, unfinished uploads after 7 days"
    )
    assert by_purpose[Bucket.EVIDENCE].lifecycle == "none"
    store.close()


async def test_missing_buckets_are_named(server: Server) -> None:
    prefix = a_prefix()
    store = server.store(prefix=prefix)
    problems = await store.problems()
    assert len(problems) == 4
    assert f"Bucket {prefix}evidence is missing and must be created with object lock." in problems
    assert [report.exists for report in await store.inspect()] == [False] * 4
    store.close()


async def test_a_bucket_made_without_lock_is_reported_and_not_touched(server: Server) -> None:
    prefix = a_prefix()
    server.client().make_bucket(f"{prefix}evidence")
    store = server.store(prefix=prefix)
    assert f"{prefix}evidence" not in await store.ensure_buckets()
    problems = await store.problems()
    assert len(problems) == 2
    assert "keeps no versions" in problems[0]
    assert "has no object lock" in problems[1]
    assert all(f"{prefix}evidence" in problem for problem in problems)
    hold_problem = await store.check_hold()
    assert hold_problem is not None
    assert "keeps no versions" in hold_problem
    store.close()


async def test_evidence_is_not_left_in_a_bucket_without_versions(server: Server) -> None:
    prefix = a_prefix()
    server.client().make_bucket(f"{prefix}evidence")
    store = server.store(prefix=prefix)
    with pytest.raises(StoreRefused, match="keeps no versions"):
        await store.put_bytes(Bucket.EVIDENCE, "clip", b"bytes", content_type=TEXT)
    assert not await store.exists(Bucket.EVIDENCE, "clip")
    store.close()


async def test_suspended_versioning_is_reported(server: Server) -> None:
    prefix = a_prefix()
    client = server.client()
    store = server.store(prefix=prefix)
    client.make_bucket(f"{prefix}snapshots")
    client.set_bucket_versioning(f"{prefix}snapshots", VersioningConfig(ENABLED))
    client.set_bucket_versioning(f"{prefix}snapshots", VersioningConfig(SUSPENDED))
    await store.ensure_buckets()
    assert any("snapshots keeps no versions" in problem for problem in await store.problems())
    store.close()


async def test_an_administrators_own_expiry_of_exports_is_left_alone(server: Server) -> None:
    prefix = a_prefix()
    client = server.client()
    client.make_bucket(f"{prefix}exports")
    rule = Rule(
        ENABLED, rule_filter=Filter(prefix=""), rule_id="own", expiration=Expiration(days=2)
    )
    client.set_bucket_lifecycle(f"{prefix}exports", LifecycleConfig([rule]))
    store = server.store(prefix=prefix)
    await store.ensure_buckets()
    report = (await store.inspect())[-1]
    assert (report.purpose, report.lifecycle) == (Bucket.EXPORTS, "objects after 2 days")
    assert report.problems == []
    store.close()


async def test_inspect_counts_objects_versions_and_bytes(server: Server) -> None:
    store = server.store(prefix=a_prefix())
    await store.ensure_buckets()
    for data in (b"one", b"three"):
        await store.put_bytes(Bucket.EVIDENCE, "twice", data, content_type=TEXT)
    await store.put_bytes(Bucket.EVIDENCE, "once", b"1234567890", content_type=TEXT)
    await store.put_bytes(Bucket.DERIVED, "small", b"12", content_type=TEXT)
    counted = {r.purpose: (r.objects, r.versions, r.bytes) for r in await store.inspect()}
    assert counted == {
        Bucket.SNAPSHOTS: (0, 0, 0),
        Bucket.EVIDENCE: (2, 3, 18),
        Bucket.DERIVED: (1, 1, 2),
        Bucket.EXPORTS: (0, 0, 0),
    }
    store.close()


@pytest.mark.parametrize("prefix", ["Patrol-", "a.b-", "-a", "a--b", "x" * 42, "a/b"])
def test_a_prefix_that_s3_would_refuse_is_refused_at_once(server: Server, prefix: str) -> None:
    with pytest.raises(ValueError, match="bucket prefix"):
        server.store(prefix=prefix)


def test_a_scheme_that_contradicts_secure_is_refused(server: Server) -> None:
    with pytest.raises(ValueError, match="https"):
        server.store(endpoint="https://127.0.0.1:1")


# Objects


async def test_what_is_put_comes_back_with_its_measurements(store: ObjectStore) -> None:
    key, data = a_key(), secrets.token_bytes(3000)
    receipt = await store.put(
        Bucket.EVIDENCE,
        key,
        io.BytesIO(data),
        content_type="image/jpeg",
        length=3000,
        sha256=sha256(data).upper(),
        metadata={"station": "mae-sot"},
    )
    assert (receipt.size, receipt.sha256) == (3000, sha256(data))
    found = await store.stat(Bucket.EVIDENCE, key)
    assert (found.size, found.sha256, found.content_type) == (3000, sha256(data), "image/jpeg")
    assert found.version_id == receipt.version_id
    assert found.modified_at is not None
    assert abs(datetime.now(UTC) - found.modified_at) < timedelta(minutes=1)
    into = io.BytesIO(b"kept")
    into.seek(4)
    assert await store.get(Bucket.EVIDENCE, key, into, max_bytes=3000) == receipt
    assert into.getvalue() == b"kept" + data


async def test_an_object_of_several_parts_keeps_its_version_and_bytes(store: ObjectStore) -> None:
    key, data = a_key(".mp4"), secrets.token_bytes(11 * 1024 * 1024)
    receipt = await store.put_stream(
        Bucket.EVIDENCE, key, in_chunks(data, 70_000), limit=len(data), content_type="video/mp4"
    )
    assert receipt.version_id
    assert (await store.stat(Bucket.EVIDENCE, key)).sha256 == sha256(data)
    assert await bytes_of(store, Bucket.EVIDENCE, key, version_id=receipt.version_id) == data


async def test_an_overwrite_keeps_the_older_version(store: ObjectStore) -> None:
    key = a_key()
    first = await store.put_bytes(Bucket.EVIDENCE, key, b"first", content_type=TEXT)
    second = await store.put_bytes(Bucket.EVIDENCE, key, b"second", content_type=TEXT)
    assert first.version_id != second.version_id
    assert await bytes_of(store, Bucket.EVIDENCE, key) == b"second"
    assert await bytes_of(store, Bucket.EVIDENCE, key, version_id=first.version_id) == b"first"
    listed = [item async for item in store.walk(Bucket.EVIDENCE, under=key, versions=True)]
    assert {(v.version_id, v.size, v.is_latest) for v in listed} == {
        (second.version_id, 6, True),
        (first.version_id, 5, False),
    }
    assert all(v.key == key for v in listed)


async def test_a_deleted_version_is_gone_and_deleting_it_again_is_harmless(
    store: ObjectStore,
) -> None:
    key = a_key()
    first = await store.put_bytes(Bucket.EVIDENCE, key, b"first", content_type=TEXT)
    second = await store.put_bytes(Bucket.EVIDENCE, key, b"second", content_type=TEXT)
    for _ in range(2):
        await store.delete(Bucket.EVIDENCE, key, version_id=second.version_id)
    assert await bytes_of(store, Bucket.EVIDENCE, key) == b"first"
    assert not await store.exists(Bucket.EVIDENCE, key, version_id=second.version_id)
    await store.delete(Bucket.EVIDENCE, key, version_id=first.version_id)
    assert not await store.exists(Bucket.EVIDENCE, key)


async def test_deleting_evidence_without_naming_a_version_is_refused(store: ObjectStore) -> None:
    with pytest.raises(ValueError, match="name the version"):
        await store.delete(Bucket.EVIDENCE, "any", version_id=None)


async def test_what_is_not_there_is_missing(store: ObjectStore) -> None:
    assert not await store.exists(Bucket.DERIVED, "no such")
    with pytest.raises(ObjectMissing):
        await store.stat(Bucket.DERIVED, "no such")
    into = io.BytesIO()
    with pytest.raises(ObjectMissing):
        await store.get(Bucket.DERIVED, "no such", into, max_bytes=10)
    assert into.getvalue() == b""


async def test_walk_lists_under_and_after_across_pages(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.buckets.store.PAGE", 2)
    under = f"{secrets.token_hex(4)}/"
    keys = [f"{under}{n}" for n in range(5)]
    for key in keys:
        await store.put_bytes(Bucket.DERIVED, key, b"x", content_type=TEXT)
    listed = [item async for item in store.walk(Bucket.DERIVED, under=under)]
    assert [item.key for item in listed] == keys
    assert listed[0].version_id is None
    later = [item.key async for item in store.walk(Bucket.DERIVED, under=under, after=keys[2])]
    assert later == keys[3:]


# Streams and limits


async def test_a_stream_beyond_its_limit_is_stopped_and_leaves_nothing(store: ObjectStore) -> None:
    key, taken = a_key(), 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        while True:
            taken += 1000
            yield b"x" * 1000

    with pytest.raises(ObjectTooLarge, match="100000 bytes"):
        await store.put_stream(Bucket.EVIDENCE, key, endless(), limit=100_000, content_type=TEXT)
    assert taken == 101_000
    assert [v async for v in store.walk(Bucket.EVIDENCE, under=key, versions=True)] == []


async def test_a_stream_of_exactly_the_limit_is_taken(store: ObjectStore) -> None:
    key = a_key()
    receipt = await store.put_stream(
        Bucket.DERIVED, key, in_chunks(b"x" * 5000), limit=5000, content_type=TEXT
    )
    assert receipt.size == 5000


async def test_an_empty_stream_is_an_empty_object(store: ObjectStore) -> None:
    key = a_key()
    await store.put_stream(Bucket.DERIVED, key, in_chunks(b""), limit=10, content_type=TEXT)
    assert (await store.stat(Bucket.DERIVED, key)).size == 0


@pytest.mark.parametrize("declared", [{"length": 4}, {"length": 6}, {"sha256": sha256(b"other")}])
async def test_bytes_that_differ_from_their_declaration_are_not_stored(
    store: ObjectStore, declared: dict[str, Any]
) -> None:
    key = a_key()
    with pytest.raises(ContentDiffers):
        await store.put(Bucket.EVIDENCE, key, io.BytesIO(b"12345"), content_type=TEXT, **declared)
    with pytest.raises(ContentDiffers):
        await store.put_stream(
            Bucket.EVIDENCE, key, in_chunks(b"12345"), limit=9, content_type=TEXT, **declared
        )
    assert [v async for v in store.walk(Bucket.EVIDENCE, under=key, versions=True)] == []


async def test_a_sender_that_breaks_off_leaves_nothing(store: ObjectStore) -> None:
    key = a_key()

    async def breaking() -> AsyncIterator[bytes]:
        yield b"x" * 600_000
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await store.put_stream(Bucket.EVIDENCE, key, breaking(), limit=1_000_000, content_type=TEXT)
    assert [v async for v in store.walk(Bucket.EVIDENCE, under=key, versions=True)] == []


async def test_an_object_larger_than_the_reader_allows_leaves_the_file_as_it_was(
    store: ObjectStore, tmp_path: Path
) -> None:
    key = a_key()
    await store.put_bytes(Bucket.DERIVED, key, b"x" * 100, content_type=TEXT)
    with (tmp_path / "got").open("w+b") as into:
        into.write(b"before")
        with pytest.raises(ObjectTooLarge):
            await store.get(Bucket.DERIVED, key, into, max_bytes=99)
        into.seek(0)
        assert into.read() == b"before"


# Legal hold


async def test_the_store_refuses_to_delete_a_held_version_until_the_hold_is_lifted(
    store: ObjectStore,
) -> None:
    key = a_key()
    stored = await store.put_bytes(Bucket.EVIDENCE, key, b"evidence", content_type=TEXT)
    version = stored.version_id
    assert version is not None
    assert not await store.is_held(Bucket.EVIDENCE, key, version_id=version)
    await store.hold(Bucket.EVIDENCE, key, version_id=version, on=True)
    assert await store.is_held(Bucket.EVIDENCE, key, version_id=version)
    with pytest.raises(StoreRefused) as refused:
        await store.delete(Bucket.EVIDENCE, key, version_id=version)
    assert refused.value.code == "AccessDenied"
    assert await bytes_of(store, Bucket.EVIDENCE, key, version_id=version) == b"evidence"
    await store.put_bytes(Bucket.EVIDENCE, key, b"later", content_type=TEXT)
    assert await bytes_of(store, Bucket.EVIDENCE, key, version_id=version) == b"evidence"
    await store.hold(Bucket.EVIDENCE, key, version_id=version, on=False)
    assert not await store.is_held(Bucket.EVIDENCE, key, version_id=version)
    await store.delete(Bucket.EVIDENCE, key, version_id=version)
    assert not await store.exists(Bucket.EVIDENCE, key, version_id=version)


async def test_a_hold_outside_a_locked_bucket_is_refused(store: ObjectStore) -> None:
    key = a_key()
    await store.put_bytes(Bucket.DERIVED, key, b"x", content_type=TEXT)
    with pytest.raises(StoreRefused):
        await store.hold(Bucket.DERIVED, key, version_id="null", on=True)


async def test_the_hold_check_passes_and_leaves_nothing(store: ObjectStore) -> None:
    assert await store.check_hold() is None
    left = store.walk(Bucket.EVIDENCE, under="patrol-check/", versions=True)
    assert [item async for item in left] == []


# Signed links


async def test_a_signed_link_is_read_and_written_through_another_host_name(
    server: Server, store: ObjectStore
) -> None:
    public = server.store(
        prefix=store.name_of(Bucket.DERIVED).removesuffix("derived"),
        public_endpoint=f"http://LocalHost:{server.port}",
    )
    key, data = a_key(".jpg"), secrets.token_bytes(2000)
    put = public.link("PUT", Bucket.EVIDENCE, key, expires=SOON)
    assert urlsplit(put).netloc == f"localhost:{server.port}"
    async with httpx.AsyncClient() as device:
        sent = await device.put(put, content=data)
        assert sent.status_code == 200, sent.text
        link = public.link(
            "GET",
            Bucket.EVIDENCE,
            key,
            expires=SOON,
            content_type="image/jpeg",
            filename="ภาพ.jpg",
            attachment=True,
        )
        got = await device.get(link)
        assert (got.status_code, got.content) == (200, data)
        assert got.headers["content-type"] == "image/jpeg"
        assert got.headers["content-disposition"] == disposition("ภาพ.jpg", attachment=True)
        elsewhere = link.replace("localhost", "127.0.0.1")
        assert (await device.get(elsewhere)).status_code == 403
        assert (await device.put(link, content=b"other")).status_code == 403
        other_key = link.replace(".jpg?", ".jpeg?")
        assert (await device.get(other_key)).status_code == 403
    public.close()


async def test_a_link_to_a_version_still_leads_there_after_an_overwrite(
    store: ObjectStore,
) -> None:
    key = a_key()
    first = await store.put_bytes(Bucket.SNAPSHOTS, key, b"first", content_type=TEXT)
    await store.put_bytes(Bucket.SNAPSHOTS, key, b"second", content_type=TEXT)
    link = store.link("GET", Bucket.SNAPSHOTS, key, expires=SOON, version_id=first.version_id)
    async with httpx.AsyncClient() as reader:
        assert (await reader.get(link)).content == b"first"


async def test_an_expired_link_is_refused(store: ObjectStore) -> None:
    key = a_key()
    await store.put_bytes(Bucket.DERIVED, key, b"x", content_type=TEXT)
    link = store._signer.sign(
        "GET",
        store.name_of(Bucket.DERIVED),
        key,
        expires=timedelta(minutes=1),
        at=datetime.now(UTC) - timedelta(minutes=2),
    )
    async with httpx.AsyncClient() as reader:
        assert (await reader.get(link)).status_code == 403


def test_a_link_lives_at_most_seven_days_and_an_upload_link_tells_nothing(
    store: ObjectStore,
) -> None:
    with pytest.raises(ValueError, match="seven days"):
        store.link("GET", Bucket.DERIVED, "k", expires=timedelta(days=8))
    with pytest.raises(ValueError, match="upload link"):
        store.link("PUT", Bucket.DERIVED, "k", expires=SOON, content_type=TEXT)
    link = store.link("GET", Bucket.DERIVED, "k", expires=SOON)
    assert parse_qs(urlsplit(link).query)["X-Amz-Expires"] == ["300"]


@pytest.mark.parametrize(
    "public",
    ["http://10.0.0.5:9000", "https://media.example", "https://media.example/store/", "http://[fd00::5]",
     "https://s3.ap-southeast-1.amazonaws.com"],
)  # fmt: skip
@pytest.mark.parametrize(
    "key", ["a", "2026/01/0198.webp", "~x_y-z.jpg", "with space.jpg", "ภาพ/1.jpg", "a+b=c&d?e#f"]
)
def test_a_steady_link_is_the_one_that_minio_signs(public: str, key: str) -> None:
    address = PublicAddress.parse(public, secure=False)
    signer = LinkSigner(address, "key/id", "the secret", region="ap-southeast-1")
    link = signer.steady("snapshots", key, lasting=timedelta(hours=1))
    told = parse_qs(urlsplit(link).query)
    start = datetime.strptime(told["X-Amz-Date"][0], "%Y%m%dT%H%M%S%z")
    again = signer.sign(
        "GET", "snapshots", key, expires=timedelta(seconds=int(told["X-Amz-Expires"][0])), at=start
    )
    assert link == again
    other = LinkSigner(address, "key/id", "another secret", region="ap-southeast-1")
    assert link != other.sign("GET", "snapshots", key, expires=timedelta(minutes=65), at=start)


@pytest.mark.parametrize("seconds", [1, 30, 3600, 604_500, 604_800])
def test_a_steady_link_lives_as_long_as_it_must_and_hardly_longer(seconds: int) -> None:
    signer = LinkSigner(
        PublicAddress.parse("http://a", secure=False), "key", "secret", region="us-east-1"
    )
    before = datetime.now(UTC).replace(microsecond=0)
    link = signer.steady("snapshots", "k", lasting=timedelta(seconds=seconds))
    told = parse_qs(urlsplit(link).query)
    start = datetime.strptime(told["X-Amz-Date"][0], "%Y%m%dT%H%M%S%z")
    ends = start + timedelta(seconds=int(told["X-Amz-Expires"][0]))
    assert start <= datetime.now(UTC)
    left = (ends - before).total_seconds()
    assert seconds <= left <= min(seconds * 13 / 12, seconds + 300) + 1


def test_a_steady_link_is_the_same_for_minutes_and_then_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    signer = LinkSigner(
        PublicAddress.parse("http://a", secure=False), "key", "secret", region="us-east-1"
    )
    seen = []
    for now in (1_800_000_000, 1_800_000_299, 1_800_000_300):
        monkeypatch.setattr(links, "time", lambda now=now: now + 0.5)
        seen.append(signer.steady("snapshots", "k", lasting=timedelta(hours=1)))
    assert seen[0] == seen[1] != seen[2]


@pytest.mark.parametrize("key", ["", "a/../b", "./a"])
def test_no_link_is_signed_for_what_no_store_takes(key: str) -> None:
    signer = LinkSigner(
        PublicAddress.parse("http://a", secure=False), "key", "secret", region="us-east-1"
    )
    with pytest.raises(ValueError):  # noqa: PT011 -- minio's own words
        signer.steady("snapshots", key, lasting=timedelta(hours=1))


async def test_the_store_takes_a_steady_link_for_its_object_alone(store: ObjectStore) -> None:
    key = a_key(".webp")
    await store.put_bytes(Bucket.DERIVED, key, b"picture", content_type="image/webp")
    link = store.steady_link(Bucket.DERIVED, key, lasting=SOON)
    async with httpx.AsyncClient() as reader:
        assert (await reader.get(link)).content == b"picture"
        assert (await reader.get(link.replace(".webp?", ".jpeg?"))).status_code == 403


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://10.0.0.5:9000", ("http", "10.0.0.5:9000", "")),
        ("https://Media.Example:443/", ("https", "media.example", "")),
        ("https://media.example/store/", ("https", "media.example", "/store")),
        ("http://[FD00::5]:80", ("http", "[fd00::5]", "")),
        ("10.0.0.5:9000", ("http", "10.0.0.5:9000", "")),
    ],
)
def test_public_addresses_are_written_as_clients_send_them(
    text: str, expected: tuple[str, str, str]
) -> None:
    address = PublicAddress.parse(text, secure=False)
    assert (address.scheme, address.netloc, address.path) == expected


@pytest.mark.parametrize(
    "text", ["ftp://a", "https://u:p@a", "https://a?x=1", "http://", "http://a:x"]
)
def test_public_addresses_that_cannot_be_signed_are_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 -- two of them are urllib's own words
        PublicAddress.parse(text, secure=False)


def test_a_file_name_cannot_break_out_of_its_header() -> None:
    told = disposition('a"; x\r\nSet-Cookie: b/..\\c.jpg', attachment=True)
    assert "\r" not in told
    assert "\n" not in told
    assert told.split("; filename*=")[0] == 'attachment; filename="a__ x__Set-Cookie: b_.._c.jpg"'


# The public link check


async def test_the_public_link_check_passes_and_leaves_nothing(
    server: Server, store: ObjectStore
) -> None:
    assert await store.check_public_link() is None
    left = [item async for item in store.walk(Bucket.DERIVED, under="patrol-check/")]
    assert left == []


async def test_links_work_through_a_proxy_that_strips_a_path_and_keeps_the_host(
    server: Server,
) -> None:
    with a_proxy(server, keeps_host=True) as port:
        store = server.store(prefix=a_prefix(), public_endpoint=f"http://localhost:{port}/store")
        await store.ensure_buckets()
        assert await store.check_public_link() is None
        store.close()


async def test_a_proxy_that_changes_the_host_is_told_apart(server: Server) -> None:
    with a_proxy(server, keeps_host=False) as port:
        store = server.store(prefix=a_prefix(), public_endpoint=f"http://localhost:{port}/store")
        await store.ensure_buckets()
        problem = await store.check_public_link()
        assert problem is not None
        assert "Host header" in problem
        store.close()


@pytest.mark.parametrize(
    ("address", "words"),
    [("http://127.0.0.1:1", "nothing answers"), ("http://no.such.invalid", "is unknown")],
)
async def test_a_public_address_that_nobody_answers_is_said_without_the_link(
    server: Server, store: ObjectStore, address: str, words: str
) -> None:
    prefix = store.name_of(Bucket.DERIVED).removesuffix("derived")
    elsewhere = server.store(prefix=prefix, public_endpoint=address)
    problem = await elsewhere.check_public_link()
    assert problem is not None
    assert words in problem
    assert "X-Amz" not in problem
    elsewhere.close()


@contextmanager
def a_proxy(server: Server, *, keeps_host: bool) -> Iterator[int]:
    """A reverse proxy that takes `/store` from the path, as an operator would set one up."""

    class Door(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            host = self.headers["Host"] if keeps_host else server.endpoint
            path = self.path.removeprefix("/store")
            answer = httpx.get(f"http://{server.endpoint}{path}", headers={"Host": host})
            self.send_response(answer.status_code)
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        def log_message(self, format: str, *args: Any) -> None:
            """Keep the test's output clean."""

    door = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    runs = threading.Thread(target=door.serve_forever)
    runs.start()
    try:
        yield door.server_address[1]
    finally:
        door.shutdown()
        runs.join()
        door.server_close()


# Faults


async def test_wrong_keys_are_refused_in_plain_words(server: Server) -> None:
    store = server.store(prefix=a_prefix(), secret_key="wrong")
    with pytest.raises(StoreRefused, match="keys"):
        await store.problems()
    with pytest.raises(StoreRefused, match="access key"):
        await store.put_bytes(Bucket.DERIVED, "k", b"x", content_type=TEXT)
    store.close()


async def everything_fails_within(seconds: float, store: ObjectStore) -> None:
    """Every kind of call, as StoreUnavailable and in time."""
    started = time.monotonic()
    with pytest.raises(StoreUnavailable):
        await store.problems()
    assert time.monotonic() - started < seconds
    started = time.monotonic()
    with pytest.raises(StoreUnavailable):
        await store.put_bytes(Bucket.EVIDENCE, "k", b"x", content_type=TEXT)
    assert time.monotonic() - started < seconds
    started = time.monotonic()
    with pytest.raises(StoreUnavailable):
        await store.get(Bucket.EVIDENCE, "k", io.BytesIO(), max_bytes=1)
    assert time.monotonic() - started < seconds


async def test_a_store_that_is_down_is_unavailable_at_once(server: Server) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        store = server.store(endpoint=f"127.0.0.1:{taken.getsockname()[1]}")
        await everything_fails_within(2.0, store)
        store.close()


async def test_a_store_that_accepts_and_stays_silent_is_unavailable_within_its_patience(
    server: Server,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        store = server.store(
            endpoint=f"127.0.0.1:{silent.getsockname()[1]}",
            patience=Patience(connect=0.5, quick=0.5, bulk=0.5),
        )
        await everything_fails_within(3.0, store)
        store.close()


@pytest.mark.parametrize(
    ("status", "fault"), [(502, StoreUnavailable), (413, StoreRefused), (302, StoreRefused)]
)
async def test_a_proxy_that_answers_instead_of_the_store_is_not_taken_for_it(
    server: Server, status: int, fault: type[StorageFault]
) -> None:
    class Door(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Content-Type", "text/html")
            self.send_header("Location", f"http://{server.endpoint}/")
            self.send_header("Retry-After", "3600")
            self.send_header("Content-Length", "4")
            self.end_headers()
            self.wfile.write(b"oops")

        def log_message(self, format: str, *args: Any) -> None:
            """Keep the test's output clean."""

    door = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    runs = threading.Thread(target=door.serve_forever)
    runs.start()
    store = server.store(endpoint=f"127.0.0.1:{door.server_address[1]}")
    try:
        with pytest.raises(fault, match=str(status)):
            await store.put_bytes(Bucket.DERIVED, "k", b"x", content_type=TEXT)
    finally:
        store.close()
        door.shutdown()
        runs.join()
        door.server_close()
