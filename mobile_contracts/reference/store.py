"""Everything that a phone keeps, in SQLite: each step is one transaction, so a phone that dies in it has not begun it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mobile_contracts.reference.key import DeviceKey

SCHEMA = """
create table if not exists device (
    one integer primary key check (one = 1),
    private_key blob not null,
    in_hand text                        -- the officer who holds the phone
);
create table if not exists account (
    officer text primary key,
    profile text not null,              -- JSON, as the server told it at sign-in
    session_id text not null,
    refresh_token text not null,
    ended text,                         -- the code that ended the session; the outbox stays
    scopes text not null default '[]'
);
create table if not exists goodbye (
    session_id text not null,
    proof text not null                 -- signed before the key was erased
);
create table if not exists cursor (
    officer text not null,
    choice text not null,               -- of lists, by the first of them; '' for all
    cursor text not null,
    complete integer not null,          -- whether the last page was the last of its walk
    primary key (officer, choice)
);
create table if not exists copy (
    officer text not null,
    subject text not null,
    id text not null,
    scope_id text not null,
    rev integer not null,
    expires_at text,
    content text not null,
    primary key (officer, subject, id)
) without rowid;
create index if not exists copy_scope on copy (officer, scope_id);
create table if not exists lane (
    officer text not null,
    lane text not null,
    last integer not null default 0,    -- the last number that was given
    known integer not null default 0,   -- whether the server was asked where the lane stands
    applied integer not null default 0, -- the effects are in the copy, whatever list they are in
    epoch text,                         -- of the last answer for this lane
    receipt text,
    primary key (officer, lane)
);
create table if not exists shown (
    officer text not null,
    lane text not null,
    choice text not null,
    applied integer not null,           -- as the last complete page of these lists told
    primary key (officer, lane, choice)
);
create table if not exists mutation (
    officer text not null,
    lane text not null,
    sequence integer not null,
    id text not null unique,
    captured_at text not null,
    change text not null,
    waiting integer not null default 1, -- to be sent, for the first time or again
    outcome text,
    code text,
    rev integer,
    detail text,
    answered_at text,                   -- the server's time
    handed_in integer not null default 0, -- after the session was revoked; it still waits
    primary key (officer, lane, sequence)
);
create index if not exists mutation_waiting on mutation (officer, lane, sequence) where waiting;
"""


class Store:
    """The database of one phone. Used by one thread, and never over an `await` inside a transaction."""

    def __init__(self, path: Path | str = ":memory:") -> None:
        self.db = sqlite3.connect(path, isolation_level=None)
        self.db.row_factory = sqlite3.Row
        # What was recorded must outlive a phone that is switched off the next moment.
        self.db.execute("pragma journal_mode = wal")
        self.db.execute("pragma synchronous = full")
        self.db.execute("pragma secure_delete = on")
        self.db.executescript(SCHEMA)

    def close(self) -> None:
        """Closes the database."""
        self.db.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing."""
        self.db.execute("begin immediate")
        try:
            yield self.db
        except BaseException:
            self.db.execute("rollback")
            raise
        self.db.execute("commit")

    def erase(self, session: str, proof: str) -> None:
        """Deletes everything, so that it cannot be read from the file again, and keeps only what is to be said of it."""
        with self.transaction() as db:
            for table in ("mutation", "lane", "shown", "copy", "cursor", "account", "device"):
                db.execute(f"delete from {table}")  # noqa: S608 # our own tables
            db.execute("insert into goodbye (session_id, proof) values (?, ?)", (session, proof))
        self.db.execute("vacuum")

    def key(self) -> DeviceKey:
        """The phone's key; made at the first time."""
        found = self.db.execute("select private_key from device").fetchone()
        if found is not None:
            return DeviceKey(Ed25519PrivateKey.from_private_bytes(found["private_key"]))
        key = DeviceKey()
        self.db.execute(
            "insert into device (one, private_key) values (1, ?)",
            (key.private.private_bytes_raw(),),
        )
        return key

    @property
    def in_hand(self) -> str | None:
        """The officer who holds the phone."""
        found = self.db.execute("select in_hand from device").fetchone()
        return None if found is None else found["in_hand"]

    @in_hand.setter
    def in_hand(self, officer: str) -> None:
        self.key()
        self.db.execute("update device set in_hand = ?", (officer,))

    def officers(self) -> list[str]:
        """Everybody who has signed in on this phone."""
        return [
            row["officer"] for row in self.db.execute("select officer from account order by rowid")
        ]
