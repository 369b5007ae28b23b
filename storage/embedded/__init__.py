"""Real PostgreSQL and real S3 on one machine, so that trying and testing need no installation."""

from storage.embedded.postgres import EmbeddedPostgres
from storage.embedded.s3 import EmbeddedS3

__all__ = ["EmbeddedPostgres", "EmbeddedS3"]
