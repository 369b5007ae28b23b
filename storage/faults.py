"""The one tree of faults that storage raises, so that upper rooms catch what they can answer and nothing else.

    StorageFault
    ├── StoreUnavailable   the object store did not answer; the same call may succeed later
    ├── StoreRefused       the object store answered no; repeating gives the same answer
    ├── ObjectMissing      the object, or that version of it, is not there
    ├── ObjectTooLarge     more bytes than the caller allowed
    ├── ContentDiffers     the bytes are not the ones that were declared
    ├── DatabaseUnavailable  PostgreSQL did not answer; the same call may succeed later
    │   └── DatabaseIsStandby  PostgreSQL answers, but it only follows another server
    ├── DatabaseUnfit      PostgreSQL answers, but not one that this product may run on
    ├── PrincipalRevoked   the session, key or token behind a request is no longer good
    │   └── DeviceToWipe     so it is, and the phone must erase its copy
    ├── ProgramMissing     a server program is not installed
    ├── DirectoryInUse     another process owns this data directory
    ├── DirectoryUnusable  the data directory cannot be used by this user or this version
    └── ServerFailed       a server did not start or died

The docstring of a class is its message unless the raiser knows better.
"""

from __future__ import annotations


class StorageFault(Exception):
    """What is kept cannot be reached, or refuses."""

    def __init__(self, detail: str | None = None) -> None:
        self.message = detail or (self.__doc__ or "").strip().splitlines()[0]
        super().__init__(self.message)


class StoreUnavailable(StorageFault):
    """The object store does not answer."""


class StoreRefused(StorageFault):
    """The object store refused the request."""

    def __init__(self, detail: str | None = None, *, code: str | None = None) -> None:
        """`code` is the store's own S3 error code, such as AccessDenied."""
        super().__init__(detail)
        self.code = code


class ObjectMissing(StorageFault):
    """The object store has no such object."""


class ObjectTooLarge(StorageFault):
    """There are more bytes than are allowed here."""


class ContentDiffers(StorageFault):
    """The bytes are not the ones that were declared."""


class DatabaseUnavailable(StorageFault):
    """PostgreSQL does not answer."""


class DatabaseIsStandby(DatabaseUnavailable):
    """The database server is a standby: it takes no writes, and a pull read from it would miss rows."""


class DatabaseUnfit(StorageFault):
    """This database cannot be used."""


class PrincipalRevoked(StorageFault):
    """The credential is no longer good."""


class DeviceToWipe(PrincipalRevoked):
    """The phone was reported lost and must erase its copy."""


class ProgramMissing(StorageFault):
    """A server program is not installed; the message names the package that brings it."""


class DirectoryInUse(StorageFault):
    """Another live process owns the data directory."""


class DirectoryUnusable(StorageFault):
    """The data directory belongs to another user, another version, or cannot be entered."""


class ServerFailed(StorageFault):
    """A server did not become ready or died; the message ends with the tail of its log."""
