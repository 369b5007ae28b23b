"""Bytes on their way to the store, measured on a temporary file, so that memory stays small and nothing
that is too large or different from its declaration is ever sent."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import IO, BinaryIO, Self

from storage.faults import ContentDiffers, ObjectTooLarge, StoreUnavailable

BLOCK = 256 * 1024
IN_MEMORY = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Declared:
    """What the sender said before sending: `length` in bytes, `sha256` in hex. None is not declared."""

    length: int | None = None
    sha256: str | None = None

    def check(self, length: int, sha256: str) -> None:
        """Raise ContentDiffers unless the measured bytes are the declared ones."""
        if self.length is not None and self.length != length:
            raise ContentDiffers(f"{self.length} bytes were declared, {length} arrived.")
        if self.sha256 is not None and self.sha256.lower() != sha256:
            raise ContentDiffers("The SHA-256 of what arrived is not the declared one.")


class Spool:
    """A temporary file (memory up to 1 MiB, then disk) that knows its size and SHA-256. Not for several
    threads at once. Leaving the context deletes it."""

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self._hash = hashlib.sha256()
        self.size = 0
        self.file: IO[bytes] = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 # __exit__ closes it

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.file.close()

    def write(self, data: bytes) -> None:
        """Add bytes; ObjectTooLarge as soon as the limit is passed, StoreUnavailable if the disk is full."""
        self.size += len(data)
        if self._limit is not None and self.size > self._limit:
            raise ObjectTooLarge(f"More than the {self._limit} bytes that are allowed here.")
        self._hash.update(data)
        with local_disk():
            self.file.write(data)

    def fill(self, source: BinaryIO) -> None:
        """Read `source` to its end."""
        while data := source.read(BLOCK):
            self.write(data)

    def sha256(self) -> str:
        """SHA-256 of everything written so far, in hex."""
        return self._hash.hexdigest()


@contextmanager
def local_disk() -> Iterator[None]:
    """A full or broken local disk is, to the caller, a store that cannot take the object now."""
    try:
        yield
    except OSError as error:
        msg = f"This machine has no room for a temporary file ({error.strerror})."
        raise StoreUnavailable(msg) from error
