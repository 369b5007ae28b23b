"""The one way to the object store: patience that ends, threads of its own, and faults in plain words."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ParamSpec, Self, TypeVar
from xml.etree.ElementTree import ParseError

import anyio
import anyio.to_thread
import certifi
import urllib3
from minio import Minio
from minio.error import InvalidResponseError, S3Error, ServerError
from urllib3.exceptions import HTTPError, ReadTimeoutError

from storage.faults import ObjectMissing, StorageFault, StoreRefused, StoreUnavailable

P = ParamSpec("P")
T = TypeVar("T")

_MISSING = {"NoSuchKey", "NoSuchVersion", "NoSuchUpload"}
_PASSING = {"InternalError", "ServiceUnavailable", "SlowDown", "RequestTimeout", "OperationAborted"}
_WRONG_KEYS = {"InvalidAccessKeyId", "SignatureDoesNotMatch"}
_SCHEME = re.compile(r"(https?)://", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a call may take, in seconds. `quick` is for questions, `bulk` for moving bytes; both count
    silence between two packets, not the whole transfer. A dead address costs two connects at most."""

    connect: float = 1.0
    quick: float = 3.0
    bulk: float = 10.0


class _TryOnceMore(urllib3.Retry):
    """One more try after a broken connection, none after silence: silence has already cost the patience."""

    def increment(
        self,
        method: str | None = None,
        url: str | None = None,
        response: urllib3.BaseHTTPResponse | None = None,
        error: Exception | None = None,
        _pool: Any = None,
        _stacktrace: Any = None,
    ) -> Self:
        if isinstance(error, ReadTimeoutError):
            raise error
        return super().increment(method, url, response, error, _pool, _stacktrace)


def http_pool(
    *, connect: float, read: float, connections: int, retry: bool = True
) -> urllib3.PoolManager:
    """A pool with its own patience. The SDK's default would wait five minutes, five times over."""
    again = _TryOnceMore(
        total=2,
        connect=1,
        read=1,
        status=1,
        # A redirect would carry our signature to another host.
        redirect=False,
        # A PUT whose answer was lost may be stored: repeating it here would leave a second locked version
        # that nobody knows of. The caller repeats with knowledge.
        allowed_methods={"GET", "HEAD", "DELETE"},
        status_forcelist={502, 503, 504},
        backoff_factor=0.1,
        raise_on_status=False,
        # The store may not decide how long our thread sleeps.
        respect_retry_after_header=False,
    )
    return urllib3.PoolManager(
        maxsize=connections,
        timeout=urllib3.Timeout(connect=connect, read=read),
        retries=again if retry else False,
        cert_reqs="CERT_REQUIRED",
        ca_certs=os.environ.get("SSL_CERT_FILE") or certifi.where(),
    )


class Connection:
    """Two SDK clients for one store (`quick` and `bulk`) and the threads that they may use."""

    def __init__(
        self,
        endpoint: str,
        access_key: str,
        secret_key: str,
        *,
        region: str,
        secure: bool,
        patience: Patience,
        at_once: int,
    ) -> None:
        if not region:
            msg = "a region is required: without it the SDK asks the store before each first call"
            raise ValueError(msg)
        self.endpoint, self.secure = split_endpoint(endpoint, secure=secure)
        self._pools = [
            http_pool(connect=patience.connect, read=read, connections=at_once)
            for read in (patience.quick, patience.bulk)
        ]
        self.quick, self.bulk = (
            Minio(
                self.endpoint,
                access_key=access_key,
                secret_key=secret_key,
                region=region,
                secure=self.secure,
                http_client=pool,
            )
            for pool in self._pools
        )
        self._threads = anyio.CapacityLimiter(at_once)

    async def run(
        self, doing: str, call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run one blocking call in our own threads; `doing` completes "The object store … while {doing}".

        A cancelled caller waits for the thread, which the patience bounds: a thread left behind would go on
        reading a file that its owner has closed.
        """

        def work() -> T:
            with plain_faults(doing):
                return call(*args, **kwargs)

        return await anyio.to_thread.run_sync(work, limiter=self._threads)

    def close(self) -> None:
        """Close idle sockets; calls that still run close theirs as they end."""
        for pool in self._pools:
            pool.clear()


def split_endpoint(endpoint: str, *, secure: bool) -> tuple[str, bool]:
    """`host:port` and whether it is TLS. A scheme may be given if it agrees with `secure`."""
    scheme = _SCHEME.match(endpoint)
    if scheme is None:
        return endpoint.rstrip("/"), secure
    if (scheme[1].lower() == "https") is not secure:
        msg = f"the store's address says {scheme[1].lower()} but secure={secure}"
        raise ValueError(msg)
    return endpoint[scheme.end() :].rstrip("/"), secure


@contextmanager
def plain_faults(doing: str) -> Iterator[None]:
    """Turn what the SDK and its HTTP client raise into storage faults."""
    try:
        yield
    except S3Error as error:
        raise _from_code(error.code or "unknown", doing) from error
    except ServerError as error:
        if error.status_code < 500:
            msg = f"The object store answered {error.status_code} while {doing}."
            raise StoreRefused(msg, code=str(error.status_code)) from error
        msg = f"The object store is in trouble (status {error.status_code}) while {doing}."
        raise StoreUnavailable(msg) from error
    except InvalidResponseError as error:
        # Not XML: a proxy spoke, not a store. The SDK keeps the status only in a private attribute.
        status = int(error._code)
        msg = f"Something in front of the object store answered {status} while {doing}."
        if status >= 500:
            raise StoreUnavailable(msg) from error
        raise StoreRefused(msg, code=str(status)) from error
    except ParseError as error:
        msg = (
            f"The object store's answer while {doing} is not readable; is this address an S3 store?"
        )
        raise StoreRefused(msg) from error
    except HTTPError as error:
        raise StoreUnavailable(f"The object store does not answer while {doing}.") from error


def _from_code(code: str, doing: str) -> StorageFault:
    if code in _MISSING:
        return ObjectMissing(f"The object store has no such object ({doing}).")
    if code in _PASSING:
        return StoreUnavailable(
            f"The object store is too busy or in trouble ({code}) while {doing}."
        )
    if code in _WRONG_KEYS:
        why = "does not accept our access key and secret"
    elif code == "RequestTimeTooSkewed":
        why = "has another time than this machine; correct the clocks"
    elif code == "NoSuchBucket":
        why = "has no such bucket"
    elif code == "AccessDenied":
        why = (
            "does not allow this: wrong keys, a missing right, or a version under hold or retention"
        )
    elif code in {"NotImplemented", "MethodNotAllowed"}:
        why = "does not offer this"
    else:
        why = f"refused ({code})"
    return StoreRefused(f"The object store {why} (while {doing}).", code=code)
