"""The object store that the settings name; apart from the other services, which take longer to import."""

from __future__ import annotations

from urllib.parse import urlsplit

from api.settings import Settings, SettingsWrong
from storage.buckets import ObjectStore
from storage.faults import StoreRefused


def store_of(settings: Settings) -> ObjectStore:
    """The object store that settings name.

    Raises:
        SettingsWrong: no store is named, or its name or prefix is none that S3 takes.
    """
    if settings.s3_url is None:
        raise SettingsWrong(
            "PATROL_S3_URL is not set. Set it, or start everything on this machine with `patrol up`."
        )
    parts = urlsplit(settings.s3_url)
    try:
        return ObjectStore(
            parts.netloc,
            settings.s3_access_key or "",
            settings.s3_secret_key.get_secret_value() if settings.s3_secret_key else "",
            region=settings.s3_region,
            secure=parts.scheme == "https",
            public_endpoint=settings.s3_public_url,
            prefix=settings.s3_prefix,
        )
    except ValueError as error:
        raise SettingsWrong(f"The store's settings cannot be used: {error}.") from error


async def require_fit_store(store: ObjectStore) -> None:
    """Raises StoreRefused with everything that is wrong with the buckets, above all missing versions and locks."""
    if problems := await store.problems():
        raise StoreRefused(" ".join(problems))
