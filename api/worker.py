"""The background process: runs the jobs that doors have written down, and what comes again and again."""

from __future__ import annotations

from api.handlers import handlers, schedules
from api.services import Services
from storage.job_worker import Worker


def worker_of(services: Services) -> Worker:
    """A worker over open services; any number of them may run beside each other."""
    assert services.database.url  # set by Database.connect
    return Worker(services.database.url, handlers(services), schedules=schedules())
