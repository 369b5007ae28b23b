"""The SQL of what was refused and kept: how it is shown, decided about, taken from revoked phones and alarmed about."""

from __future__ import annotations

OVERDUE = "item.state = 'KEPT' and (item.lane = 'SOS' or item.created_at < now() - $1::interval)"
"""What waits for too long: longer than a shift; a call for help from the first moment on."""

_ITEM = f"""
select item.*, {OVERDUE} as overdue, officer.badge, station.code as station
from quarantine item
join officer on officer.id = item.officer_id
join station on station.id = item.station_id
"""  # noqa: S608 # our own expressions

LIST_ITEMS = f"""
{_ITEM}
where ($2::text is null or item.state = $2) and ($3::text is null or station.code = $3)
order by item.created_at, item.sequence, item.id
limit $4
"""
"""Kept mutations, the oldest first, with who recorded them."""

READ_ITEM = f"{_ITEM} where item.id = $2"
"""One kept mutation, whatever became of it."""

LOCK_ITEM = """
select id, device_id, officer_id, station_id, lane, sequence, mutation_id, code, payload, detail, state, surrendered,
       created_at
from quarantine where id = $1 and ($2::uuid is null or station_id = $2)
for update
"""
"""A kept mutation, of a station or of any; two people who decide about it come one after the other."""

READ_SETTLED = "select outcome, code from sync_outcome where mutation_id = $1 and outcome in ('APPLIED', 'MERGED')"
"""Whether a mutation was applied on its ordinary way, as when its phone was given back its session and pushed it."""

SETTLE_ITEM = """
update quarantine
set state = 'REPLAYED', outcome = $2, attempts = attempts + 1, resolved_at = now(), resolved_by = $3, reason = $4
where id = $1
"""
"""A kept mutation has been applied after all."""

KEEP_ITEM = """
update quarantine set code = $2, outcome = $3, detail = $4::jsonb, attempts = attempts + 1 where id = $1
"""
"""A kept mutation was refused once more, maybe for another reason."""

DISCARD_ITEM = """
update quarantine set state = 'DISCARDED', resolved_at = now(), resolved_by = $2, reason = $3 where id = $1
"""
"""A person has decided that a mutation shall not be applied."""

REMEMBER_REPLAYED = """
insert into sync_outcome
    (device_id, officer_id, lane, sequence, mutation_id, content_sha256, outcome, code, row_id, rev, detail)
values ($1, $2, $3, $4, $5, $6, $7, null, $8, $9, $10::jsonb)
on conflict do nothing
"""
"""The answer for a phone that pushes, in a later session, what it had surrendered; one that was answered before stays so."""

SURRENDER = """
insert into quarantine (id, device_id, officer_id, lane, sequence, mutation_id, code, payload, surrendered)
select r.id, $1, $2, $3, r.sequence, r.mutation_id, $5, r.payload, true
from jsonb_to_recordset($4::jsonb) as r (id uuid, sequence bigint, mutation_id uuid, payload jsonb)
where not exists (select from sync_outcome known where known.mutation_id = r.mutation_id)
on conflict (mutation_id) do nothing
"""
"""Keeps mutations of a phone that was revoked, but for those that were stored or kept before."""

MEASURE_SURRENDERED = """
select count(*) as items, coalesce(sum(octet_length(payload::text)), 0) as bytes
from quarantine where officer_id = $1 and device_id = $2 and surrendered and state = 'KEPT'
"""
"""How much of an officer's phone waits in quarantine."""

READ_REVOKED = """
select session.id, session.device_id, session.officer_id, device.public_key, device.wipe_ordered_at is not null as wipe,
       device.wiped_at is not null as wiped,
       session.revoked_at is null and device.revoked_at is null and officer.active and session.expires_at > now() as good
from session
join device on device.id = session.device_id
join officer on officer.id = session.officer_id
where session.id = $1
"""
"""A session with its phone's key, and whether it is good."""

MARK_OVERDUE = f"""
with late as (
    update quarantine item set alarmed_at = now() where alarmed_at is null and {OVERDUE}
    returning item.id, item.station_id, item.lane, item.code, item.created_at)
select late.*, station.code as station from late join station on station.id = late.station_id
order by late.created_at
"""  # noqa: S608 # our own expression
"""Marks what waits for too long and was not told of yet."""

READ_SUPERVISORS = """
select distinct officer.scope_id, reached.kind, reached.address
from officer
left join lateral (
    select installation.kind, installation.address
    from session
    join device on device.id = session.device_id and device.revoked_at is null
    join installation on installation.session_id = session.id and installation.retired_at is null
    where session.officer_id = officer.id and session.revoked_at is null and session.expires_at > now()
) reached on true
where officer.station_id = $1 and officer.role = 'SUPERVISOR' and officer.active
order by 1, 2, 3
"""
"""Where the supervisors of a station are reached, with the scope of the staff; without an address where by no push."""

COUNT_KEPT = f"""
select count(*) as kept, count(*) filter (where {OVERDUE}) as overdue,
       extract(epoch from now() - min(created_at))::float8 as oldest_seconds
from quarantine item where state = 'KEPT'
"""  # noqa: S608 # our own expression
"""How many mutations wait for a person, how many for too long, and how long the oldest has."""

RESOLVE_PUSHED = """
update quarantine item
set state = 'REPLAYED', outcome = settled.outcome, resolved_at = now(), resolved_by = 'system:sync',
    reason = 'Its phone was given a session again and has pushed it.'
from sync_outcome settled
where item.state = 'KEPT' and item.surrendered and settled.mutation_id = item.mutation_id
  and settled.outcome in ('APPLIED', 'MERGED')
"""
"""Resolves what a phone had surrendered and has pushed since."""
