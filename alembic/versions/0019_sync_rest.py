"""Says of each seal which entries it covers, so that the audit log goes on after a restore; bounds tombstones by number."""

from __future__ import annotations

from alembic import op

from storage.migrations import run_script

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

TABLES = """
alter table audit_seal
    add column ids int8multirange not null default '{}',
    add column above bigint not null default 0,
    add column epoch_id uuid;

-- What seals of before cover follows from their snapshots, as long as the log is in the server that wrote it.
alter table audit_seal disable trigger append_only;
with chain as (
    select number, snapshot::pg_snapshot as snapshot,
           (lag(snapshot, 1, '1:1:') over (order by number))::pg_snapshot as earlier
    from audit_seal),
covered as (
    select chain.number, range_agg(int8range(entry.id, entry.id, '[]')) as ids
    from chain
    join audit_entry entry
        on entry.xid >= pg_snapshot_xmin(chain.earlier) and entry.xid < pg_snapshot_xmax(chain.snapshot)
       and not pg_visible_in_snapshot(entry.xid, chain.earlier)
       and pg_visible_in_snapshot(entry.xid, chain.snapshot)
    group by chain.number)
update audit_seal seal
set ids = coalesce((select ids from covered where covered.number = seal.number), '{}'),
    epoch_id = (select id from sync_epoch order by number desc limit 1);
alter table audit_seal enable trigger append_only;
"""

FUNCTIONS = """
create function access.give_up_crowded(name text, most bigint, young interval) returns bigint
language plpgsql volatile security definer set search_path = public, pg_temp as $$
declare
    edge xid8;
    given_up bigint;
begin
    if name = 'scope_exit' then
        select sync_xid into edge from scope_exit order by sync_xid desc offset most limit 1;
    elsif exists (
        select from pg_trigger where tgrelid = to_regclass(format('public.%I', name)) and tgname = 'refuse_delete'
    ) then
        execute format(
            'select sync_xid from public.%I where deleted_at is not null order by sync_xid desc offset $1 limit 1', name)
        into edge using most;
    else
        raise exception '% is not a table that phones hold copies of', name using errcode = 'invalid_parameter_value';
    end if;
    update held_snapshot set must_reset = true, sets = '{}'
    where not must_reset and seen_at < now() - young
      and epoch_id = (select id from sync_epoch order by number desc limit 1)
      and pg_snapshot_xmin(snapshot) <= edge;
    get diagnostics given_up = row_count;
    return given_up;
end $$;
revoke all on function access.give_up_crowded(text, bigint, interval) from public;
grant execute on function access.give_up_crowded(text, bigint, interval) to patrol_system;
"""

# What was purged stays gone, also in tables that came after the trigger.
TRIGGERS = """
do $$
declare name text;
begin
    for name in
        select tgrelid::regclass::text from pg_trigger stamp
        where tgname = 'stamp_insert'
          and not exists (select from pg_trigger where tgrelid = stamp.tgrelid and tgname = 'a_stay_gone')
    loop
        execute format('create trigger a_stay_gone before insert on %s for each row execute function stay_gone()', name);
    end loop;
end $$;
"""

DOWN = """
drop function access.give_up_crowded(text, bigint, interval);
alter table audit_seal drop column ids, drop column above, drop column epoch_id;
"""


def upgrade() -> None:
    run_script(op.get_bind(), TABLES)
    run_script(op.get_bind(), FUNCTIONS)
    run_script(op.get_bind(), TRIGGERS)


def downgrade() -> None:
    run_script(op.get_bind(), DOWN)
