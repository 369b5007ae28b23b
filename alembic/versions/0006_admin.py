"""Lets administrators see which jobs were given up and why; a payload stays with the worker."""

from __future__ import annotations

from alembic import op

from storage.migrations import run_script

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

UP = """
create policy job_admin on public.pgqueuer for select to patrol_admin
    using (status = 'failed' and access.principal_is('admin'));
create policy job_admin on public.pgqueuer_log for select to patrol_admin
    using (status = 'failed' and access.principal_is('admin'));
grant usage on type public.pgqueuer_status to patrol_admin;
grant select (id, entrypoint, status, created, updated) on public.pgqueuer to patrol_admin;
grant select (id, job_id, status, traceback) on public.pgqueuer_log to patrol_admin;
"""

DOWN = """
revoke all on public.pgqueuer, public.pgqueuer_log from patrol_admin;
revoke all on type public.pgqueuer_status from patrol_admin;
drop policy job_admin on public.pgqueuer_log;
drop policy job_admin on public.pgqueuer;
"""


def upgrade() -> None:
    run_script(op.get_bind(), UP)


def downgrade() -> None:
    run_script(op.get_bind(), DOWN)
