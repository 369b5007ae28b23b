"""Lets people find incidents, zones and cameras by what they are, where they are and what is written of them."""

from __future__ import annotations

from alembic import op

from storage.migrations import run_script

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# What may stand after two letters of a script without cases: Thai, Burmese, ASCII, and the marks that phones write.
# A text with any other character says so by three letters of its own, since they cannot be counted up.
FAMILIAR = r"\t\n\r -~\u00a0\u0e01-\u0e3a\u0e3f-\u0e5b\u1000-\u109f\u200b-\u200d\u2013\u2014\u2018\u2019\u201c\u201d\u2026"
SEARCHED = (
    r"title || E'\n' || description || E'\n' || "
    rf"case when title || description ~ '[^{FAMILIAR}]' then 'ǂǂǂ' else '' end"
)

# The trigger's name comes before those of the stamps: PostgreSQL runs them by name, and a stamp must see a row whole.
# The columns are no generated ones, because those are still empty when `stamp_update` asks whether anything differs.
CELLS = """
alter table incident add column cell bigint, add column area bigint;

create function place_row() returns trigger language plpgsql as $$
declare
    north bigint := round(new.latitude::numeric, 3) * 1000 + 90000;
    east bigint := round(new.longitude::numeric, 3) * 1000 + 180000;
begin
    new.cell := north * 1000000 + east;
    new.area := north / 32 * 100000 + east / 32;
    return new;
end $$;

-- What stands there gets its cells without a new version: nothing changed that a phone could see.
alter table incident disable trigger user;
update incident
set cell = (round(latitude::numeric, 3) * 1000 + 90000)::bigint * 1000000
         + (round(longitude::numeric, 3) * 1000 + 180000)::bigint,
    area = (round(latitude::numeric, 3) * 1000 + 90000)::bigint / 32 * 100000
         + (round(longitude::numeric, 3) * 1000 + 180000)::bigint / 32
where latitude is not null;
alter table incident enable trigger user;

create trigger place before insert or update on incident for each row execute function place_row();
"""

INDEXES = f"""
create index incident_status_idx on incident (scope_id, status, severity, occurred_at, id) where deleted_at is null;
create index incident_category_idx on incident (scope_id, category, status, severity, occurred_at, id)
    where deleted_at is null;
-- The position stands last, so that rows beside a box or circle are left out without a look at the table.
create index incident_cell_idx on incident (scope_id, cell, occurred_at, id, latitude, longitude)
    where deleted_at is null;
create index incident_area_idx on incident (scope_id, area, occurred_at, id, latitude, longitude)
    where deleted_at is null;
-- A row with a zone has that zone as its scope, which all indexes begin with.
drop index incident_zone_id_idx;

do $$
declare home text;
begin
    select nspname into home from pg_extension join pg_namespace on pg_namespace.oid = extnamespace
    where extname = 'pg_trgm';
    if home is null then
        create extension pg_trgm with schema public;
        home := 'public';
    end if;
    execute format(
        'create index incident_text_idx on incident using gin ((%s) %I.gin_trgm_ops)',
        $searched${SEARCHED}$searched$, home);
end $$;
"""

# Only operators that leak nothing keep their index under row policies, and those of texts are not among them. So the
# search runs as the owner, over scopes that it checks itself, and what it finds is read under the policies again.
SEARCH = rf"""
create function access.incidents_with(needle text, wanted uuid[], at timestamptz, by_update boolean) returns uuid[]
language plpgsql stable security definer
set search_path = public, pg_temp
set plan_cache_mode = force_custom_plan
set enable_seqscan = off
as $$
declare
    most constant int := 2000;
    each int := greatest(50, 2000 / greatest(cardinality(wanted), 1));
    partner uuid := case when access.principal_is('partner') then access.id_of(access.principal()) end;
    literal text := replace(replace(replace(needle, '\', '\\'), '%', '\%'), '_', '\_');
    pattern text := '%' || literal || '%';
    deepest bigint;
    seen bigint;
    held bigint;
    ids uuid[];
begin
    if needle is null or wanted is null or char_length(needle) not between 2 and 100 then
        raise exception 'a text of 2 to 100 characters is needed' using errcode = 'invalid_parameter_value';
    end if;
    -- What may follow two letters is counted up for scripts without cases only; others are read in order.
    if char_length(needle) = 2 and (needle ~ '[\x01-\x7f]' or lower(needle) <> upper(needle)) then
        return null;
    end if;
    if not coalesce(access.principal_is('admin'), false) then
        -- A scope may have been taken from the caller since he asked which are his.
        wanted := array(select unnest(wanted) intersect select access.scopes(access.principal()));
    end if;

    -- A word that many rows have is found soonest by reading in order, and so is any word among few rows. Only texts that
    -- are shown count, or how long an answer takes would tell of the others.
    if by_update then
        select max(n), sum(n), sum(m) into deepest, seen, held
        from unnest(wanted) as scope (id)
        left join lateral (
            select granted.full_until from access.granted(partner, 'INCIDENTS') as granted
            where granted.zone_id = scope.id offset 0
        ) g on true
        cross join lateral (
            select count(*) as n, count(*) filter (where r.shown and (r.title ilike pattern or r.description ilike pattern)) as m
            from (select title, description, i.deleted_at is null and (
                         partner is null or coalesce(greatest(i.received_at, i.updated_at) <= g.full_until, false)) as shown
                  from incident i
                  where i.scope_id = scope.id and (at is null or i.updated_at <= at)
                  order by i.updated_at desc, i.id desc limit each) r
        ) probed;
    else
        select max(n), sum(n), sum(m) into deepest, seen, held
        from unnest(wanted) as scope (id)
        left join lateral (
            select granted.full_until from access.granted(partner, 'INCIDENTS') as granted
            where granted.zone_id = scope.id offset 0
        ) g on true
        cross join lateral (
            select count(*) as n, count(*) filter (where r.shown and (r.title ilike pattern or r.description ilike pattern)) as m
            from (select title, description, i.deleted_at is null and (
                         partner is null or coalesce(greatest(i.received_at, i.updated_at) <= g.full_until, false)) as shown
                  from incident i
                  where i.scope_id = scope.id and (at is null or i.occurred_at <= at)
                  order by i.occurred_at desc, i.id desc limit each) r
        ) probed;
    end if;
    if deepest is null or deepest < each or held * 40 >= seen then
        return null;
    end if;

    if char_length(needle) > 2 then
        select array_agg(hit.id) into ids from (
            select i.id from incident i
            where ({SEARCHED}) ilike pattern and i.scope_id = any (wanted) and i.deleted_at is null
              and (partner is null or exists (
                  select from access.granted(partner, 'INCIDENTS') as g
                  where g.zone_id = i.scope_id and greatest(i.received_at, i.updated_at) <= g.full_until))
            limit most + 1) hit;
    else
        -- Two letters are no trigram; with what may follow them they are.
        select array_agg(distinct hit.id) into ids from (
            select hit.id from (
                select '%' || literal || case when c in ('%', '_', '\') then '\' || c else c end || '%' as pattern
                from (select chr(code) as c from (
                    select generate_series(32, 126) as code union all select generate_series(3585, 3642)
                    union all select generate_series(3647, 3675) union all select generate_series(4096, 4255)
                    union all select unnest(array[9, 10, 13, 160, 8203, 8204, 8205, 8211, 8212, 8216, 8217, 8220, 8221,
                                                  8230])) codes) c
                union all select '%ǂǂǂ%') follows
            cross join lateral (
                -- `is true` keeps the planner from reading whole scopes, once for each of the patterns.
                select i.id from incident i
                where ({SEARCHED}) like follows.pattern and (i.scope_id = any (wanted)) is true
                  and i.deleted_at is null and (i.title like '%' || literal || '%'
                                                or i.description like '%' || literal || '%')
                  and (partner is null or exists (
                      select from access.granted(partner, 'INCIDENTS') as g
                      where g.zone_id = i.scope_id and greatest(i.received_at, i.updated_at) <= g.full_until))
                limit most + 1) hit
            limit most + 1) hit;
    end if;
    return case when coalesce(cardinality(ids), 0) <= most then coalesce(ids, '{{}}') end;
end $$;
comment on function access.incidents_with is
    'The incidents of some scopes whose title or description may hold a text, for the caller to read under its own '
    'policies; null where reading the scopes in order is the better way. Partners: only texts that are shown to them.';
revoke all on function access.incidents_with from public;
grant execute on function access.incidents_with to patrol_phone, patrol_partner, patrol_admin;
"""

# As in 0004, with the update's order and the cells, which say no more than the rounded position does. What is granted is
# looked up for each row (`offset 0` keeps it so): joined, it was read first, and all its rows sorted for each page.
VIEW = """
create or replace view partner.incident as
select i.id, i.scope_id, i.zone_id, i.category, i.severity, i.status,
       case when shown.fully then 'FULL' else 'COARSE' end as detail,
       case when shown.fully then i.title end as title,
       case when shown.fully then i.description end as description,
       case when shown.fully then i.latitude else round(i.latitude::numeric, 3)::float8 end as latitude,
       case when shown.fully then i.longitude else round(i.longitude::numeric, 3)::float8 end as longitude,
       i.occurred_at, i.updated_at, i.cell, i.area
from incident i
cross join lateral (
    select granted.visible_until, granted.full_until
    from access.granted(access.id_of(access.principal()), 'INCIDENTS') as granted
    where granted.zone_id = i.scope_id offset 0
) g
cross join lateral (select greatest(i.received_at, i.updated_at) as at) latest
cross join lateral (select coalesce(latest.at <= g.full_until, false) as fully) shown
where i.deleted_at is null and latest.at <= g.visible_until;
"""

DOWN = """
drop view partner.incident;
grant create on schema partner to patrol_sharing;
create view partner.incident as
select i.id, i.scope_id, i.zone_id, i.category, i.severity, i.status,
       case when shown.fully then 'FULL' else 'COARSE' end as detail,
       case when shown.fully then i.title end as title,
       case when shown.fully then i.description end as description,
       case when shown.fully then i.latitude else round(i.latitude::numeric, 3)::float8 end as latitude,
       case when shown.fully then i.longitude else round(i.longitude::numeric, 3)::float8 end as longitude,
       i.occurred_at, i.updated_at
from incident i
join access.granted(access.id_of(access.principal()), 'INCIDENTS') as g on g.zone_id = i.scope_id
cross join lateral (select greatest(i.received_at, i.updated_at) as at) latest
cross join lateral (select coalesce(latest.at <= g.full_until, false) as fully) shown
where i.deleted_at is null and latest.at <= g.visible_until;
comment on view partner.incident is
    'Incidents under the agreements in force. Only the latest version of a row is kept, so the delay counts from it: '
    'a delayed agreement shows a row only once its latest version is older than the delay, and an edit hides it anew.';
alter view partner.incident owner to patrol_sharing;
revoke create on schema partner from patrol_sharing;
set local role patrol_sharing;
grant select on partner.incident to patrol_partner;
reset role;

drop function access.incidents_with;
drop index incident_text_idx, incident_area_idx, incident_cell_idx, incident_category_idx, incident_status_idx;
create index incident_zone_id_idx on incident (zone_id);
drop trigger place on incident;
drop function place_row;
alter table incident drop column cell, drop column area;
do $$
begin
    drop extension pg_trgm;
exception when others then
    null;  -- it was there before us, or something else of the database needs it
end $$;
"""


def upgrade() -> None:
    for script in (CELLS, INDEXES, SEARCH, VIEW):
        run_script(op.get_bind(), script)


def downgrade() -> None:
    run_script(op.get_bind(), DOWN)
