"""Stamps every synced row with the transaction that wrote it, because only commit order is complete."""

from __future__ import annotations

from alembic import op

from storage.migrations import run_script

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

SYNCED = ("station", "zone", "community", "camera", "sos_post", "incident", "sos_alert")

FUNCTIONS = """
create function stamp_row() returns trigger language plpgsql as $$
begin
    -- pg_current_xact_id() is the top-level transaction, also inside savepoints, where xmin would be the inner one.
    new.sync_xid := pg_current_xact_id();
    if tg_op = 'INSERT' then
        new.rev := 1;
    else
        new.rev := old.rev + 1;
        new.updated_at := clock_timestamp();
    end if;
    return new;
end $$;

create function leave_scope() returns trigger language plpgsql as $$
begin
    insert into scope_exit (subject, row_id, scope_id) values (tg_table_name, old.id, old.scope_id)
    on conflict (subject, row_id, scope_id) do update set sync_xid = pg_current_xact_id();
    return null;
end $$;

create function refuse_delete() returns trigger language plpgsql as $$
begin
    raise exception 'rows of % are tombstoned by deleted_at, never deleted', tg_table_name
        using errcode = 'restrict_violation';
end $$;

create function append_only() returns trigger language plpgsql as $$
begin
    raise exception '% is append-only', tg_table_name using errcode = 'restrict_violation';
end $$;

create function one_parent_chain() returns trigger language plpgsql as $$
begin
    if exists (
        with recursive above as (
            select new.parent_id as id
            union
            select z.parent_id from above join zone z on z.id = above.id where z.parent_id is not null
        )
        select from above where id = new.id
    ) then
        raise exception 'zone % would be inside itself', new.code using errcode = 'check_violation';
    end if;
    return null;
end $$;
"""


def upgrade() -> None:
    run_script(op.get_bind(), FUNCTIONS)
    for table in SYNCED:
        op.execute(
            f"create trigger stamp_insert before insert on {table} for each row execute function stamp_row()"
        )
        # An unchanged re-import must flood nobody.
        op.execute(
            f"create trigger stamp_update before update on {table} for each row "
            "when (old.* is distinct from new.*) execute function stamp_row()"
        )
        op.execute(
            f"create trigger leave_scope after update on {table} for each row "
            "when (old.scope_id <> new.scope_id) execute function leave_scope()"
        )
        op.execute(
            f"create trigger refuse_delete before delete on {table} for each row execute function refuse_delete()"
        )
    for table in ("audit_entry", "audit_seal"):
        op.execute(
            f"create trigger append_only before update or delete or truncate on {table} "
            "for each statement execute function append_only()"
        )
    op.execute(
        "create constraint trigger one_parent_chain after insert or update of parent_id on zone "
        "deferrable initially deferred for each row when (new.parent_id is not null) "
        "execute function one_parent_chain()"
    )
    op.execute(
        "insert into sync_epoch (id, number, reason) values (gen_random_uuid(), 1, 'first installation')"
    )


def downgrade() -> None:
    op.execute("drop trigger one_parent_chain on zone")
    for table in ("audit_entry", "audit_seal"):
        op.execute(f"drop trigger append_only on {table}")
    for table in SYNCED:
        for trigger in ("refuse_delete", "leave_scope", "stamp_update", "stamp_insert"):
            op.execute(f"drop trigger {trigger} on {table}")
    op.execute("delete from sync_epoch")
    op.execute("drop function stamp_row, leave_scope, refuse_delete, append_only, one_parent_chain")
