"""Fallback channels of stations (LINE, text message, voice, mail …) and what became of each call through them."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, LargeBinary, UniqueConstraint, text
from sqlmodel import Field

from storage.base import Kept, known
from storage.vocabulary import ChannelLanguage, ChannelOutcome


class SosChannel(Kept, table=True):
    """One way to reach people of a station when phones do not answer.

    `sealed` is the address with its credentials, readable for nobody but who tells; people are shown `scheme` and
    `label`. `failing_since` is set by a test that failed and cleared by the next that did not.
    """

    __tablename__ = "sos_channel"
    __table_args__ = (
        Index(
            "sos_channel_label_key",
            "station_id",
            "label",
            unique=True,
            postgresql_where=text("removed_at is null"),
        ),
        known("language", ChannelLanguage),
        known("test_outcome", ChannelOutcome, optional=True),
    )

    station_id: UUID = Field(foreign_key="station.id")
    label: str
    scheme: str
    sealed: bytes = Field(sa_type=LargeBinary)
    language: str = Field(default="BOTH", sa_column_kwargs={"server_default": text("'BOTH'")})
    added_by: str
    removed_at: datetime | None = None
    removed_by: str | None = None
    tested_at: datetime | None = None
    test_outcome: str | None = None
    test_reason: str | None = None
    failing_since: datetime | None = None


class SosChannelCall(Kept, table=True):
    """One call through one channel. `call_id` is the step, or the finding's telling, that the call belongs to."""

    __tablename__ = "sos_channel_call"
    __table_args__ = (
        UniqueConstraint("call_id", "channel_id"),
        known("outcome", ChannelOutcome),
    )

    channel_id: UUID = Field(foreign_key="sos_channel.id")
    alert_id: UUID = Field(foreign_key="sos_alert.id", index=True)
    scope_id: UUID
    call_id: UUID
    outcome: str
    reason: str | None = None
    attempts: int = Field(default=1, sa_column_kwargs={"server_default": text("1")})
    attempted_at: datetime


INSERT_CHANNEL = """
insert into sos_channel (id, station_id, label, scheme, sealed, language, added_by)
values ($1, $2, $3, $4, $5, $6, $7)
on conflict (station_id, label) where removed_at is null do nothing returning id
"""
"""Adds a channel; nothing comes back when its label is taken."""

REMOVE_CHANNEL = """
update sos_channel set removed_at = now(), removed_by = $2, sealed = ''
where id = $1 and removed_at is null returning station_id, label, scheme
"""
"""Ends a channel and forgets its address; what was told through it stays."""

LIST_CHANNELS = """
select channel.id, station.code as station, channel.label, channel.scheme, channel.language, channel.created_at,
       channel.tested_at, channel.test_outcome, channel.test_reason, channel.failing_since
from sos_channel channel join station on station.id = channel.station_id
where channel.removed_at is null and ($1::uuid is null or channel.station_id = $1)
order by station.code, channel.label
"""
"""The channels of a station or of all, as people may see them."""

READ_CALL_CHANNELS = """
select channel.id, channel.scheme, channel.sealed, channel.language, channel.label
from sos_channel channel
left join sos_channel_call call on call.channel_id = channel.id and call.call_id = $2
where channel.station_id = $1 and channel.removed_at is null and ($3::uuid is null or channel.id = $3)
  and call.outcome is distinct from 'TOLD'
order by channel.created_at, channel.id
"""
"""The channels of a station that one call has yet to tell."""

READ_TESTED_CHANNELS = """
select id, station_id, scheme, sealed, language, label, tested_at, failing_since from sos_channel
where removed_at is null and ($1::uuid is null or id = $1) and ($2::timestamptz is null or coalesce(tested_at, '-infinity') < $2)
order by id
"""
"""One channel, or those that were not tested since a time."""

BEGIN_CALLS = """
insert into sos_channel_call as kept (id, channel_id, alert_id, scope_id, call_id, outcome, attempted_at)
select r.id, r.channel_id, $1, $2, $3, 'CALLING', now()
from jsonb_to_recordset($4::jsonb) as r (id uuid, channel_id uuid)
on conflict (call_id, channel_id) do update
set outcome = 'CALLING', reason = null, attempts = kept.attempts + 1, attempted_at = excluded.attempted_at
where kept.outcome <> 'TOLD'
"""
"""Writes down that channels are going to be told, before anything leaves this house."""

END_CALLS = """
update sos_channel_call call set outcome = r.outcome, reason = r.reason, attempted_at = r.at
from jsonb_to_recordset($2::jsonb) as r (channel_id uuid, outcome text, reason text, at timestamptz)
where call.call_id = $1 and call.channel_id = r.channel_id and call.outcome <> 'TOLD'
"""
"""Writes down what became of calls; what was told once stays so."""

CALL_REACHED = (
    "select exists (select from sos_channel_call where call_id = $1 and outcome = 'TOLD')"
)
"""Whether a call went through on any channel."""

END_TESTS = """
update sos_channel channel
set tested_at = r.at, test_outcome = r.outcome, test_reason = r.reason,
    failing_since = case when r.outcome <> 'TOLD' then coalesce(channel.failing_since, r.at) end
from jsonb_to_recordset($1::jsonb) as r (channel_id uuid, outcome text, reason text, at timestamptz)
where channel.id = r.channel_id
"""
"""Writes down how channels did in their test."""

COUNT_CHANNELS = """
select count(*) as channels, count(*) filter (where failing_since is not null) as failing
from sos_channel where removed_at is null
"""
"""How many channels there are, and how many failed their last test."""

READ_CALLED_ALERT = """
select alert.id, alert.scope_id, alert.station_id, alert.source, alert.status, alert.drill, alert.raised_at,
       station.name as station, station.name_th as station_th,
       coalesce(post.name, zone.name) as place, coalesce(post.name_th, zone.name_th) as place_th
from sos_alert alert
join station on station.id = alert.station_id
left join zone on zone.id = coalesce(alert.zone_id, alert.scope_id)
left join sos_post post on post.id = alert.post_id
where alert.id = $1
"""
"""What a text through a channel may say of an alert: names of places, never of people, and no position."""

READ_CALLING_STEP = """
select step.alert_id, step.done_at from sos_step step where step.id = $1
"""
"""The alert of a step, and whether the step is over."""
