"""Fallback channels over real servers: what arrives, what a failure is called, and that no secret leaves the process."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import time
from collections.abc import Iterator
from uuid import UUID

import pytest
import structlog
from uuid_utils.compat import uuid7

from api.logs import configure_logs
from api.telling import MOST_HANGING, AppriseTeller
from patrol.errors import ChannelAddressInvalid
from patrol.notify import SealedAddress, Telling, Told
from storage.vocabulary import ChannelOutcome
from tests.conftest import SECRET
from tests.listeners import Listener, mail_server, webhook


@pytest.fixture
def hook() -> Iterator[Listener]:
    with webhook() as listener:
        yield listener


@pytest.fixture
def teller() -> AppriseTeller:
    return AppriseTeller(SECRET, time_limit=5)


async def tell(teller: AppriseTeller, address: str | SealedAddress, title: str = "SOS") -> Told:
    sealed = teller.seal(uuid7(), address) if isinstance(address, str) else address
    [told] = await teller.tell([Telling(sealed, title, "ตลาด / Market")])
    return told


async def test_a_webhook_gets_title_and_text(teller: AppriseTeller, hook: Listener) -> None:
    told = await tell(teller, hook.address)

    assert (told.outcome, told.reason) == (ChannelOutcome.TOLD, None)
    assert hook.texts == ["SOS\nตลาด / Market"]
    assert hook.paths == ["/hook/s3cr3t-token"]


async def test_a_mail_arrives_in_thai(teller: AppriseTeller) -> None:
    with mail_server() as post:
        told = await tell(
            teller, f"mailto://127.0.0.1:{post.port}?from=sos@mst.test&to=duty@mst.test", "ช่วยด้วย"
        )

    assert told.outcome is ChannelOutcome.TOLD
    [(subject, body)] = post.mails
    assert "ช่วยด้วย" in subject
    assert "ตลาด / Market" in body


@pytest.mark.parametrize("status", [400, 403, 500])
async def test_a_refusal_is_told_by_its_status(
    teller: AppriseTeller, hook: Listener, status: int
) -> None:
    hook.status = status

    told = await tell(teller, hook.address)

    assert (told.outcome, told.reason) == (ChannelOutcome.FAILED, f"HTTP_{status}")


async def test_a_connection_that_breaks_or_never_was_is_told_as_such(
    teller: AppriseTeller, hook: Listener
) -> None:
    hook.cut = True
    broken = await tell(teller, hook.address)
    never = await tell(teller, "json://127.0.0.1:1")

    assert [broken.reason, never.reason] == ["CONNECTION", "CONNECTION"]


async def test_no_answer_leads_to_another_address(teller: AppriseTeller, hook: Listener) -> None:
    hook.status = 302

    told = await tell(teller, hook.address)

    assert told.outcome is ChannelOutcome.FAILED
    assert len(hook.told) == 1


async def test_a_service_that_hangs_holds_up_neither_the_others_nor_a_later_call(
    hook: Listener,
) -> None:
    teller = AppriseTeller(SECRET, time_limit=0.3)
    with webhook() as good:
        hook.released.clear()
        slow, quick = teller.seal(uuid7(), hook.address), teller.seal(uuid7(), good.address)
        began = time.monotonic()
        first = await teller.tell([Telling(slow, "a", "b"), Telling(quick, "a", "b")])
        later = [await tell(teller, slow) for _ in range(MOST_HANGING)]

        assert time.monotonic() - began < 3
        assert [one.outcome for one in first] == [ChannelOutcome.TIMEOUT, ChannelOutcome.TOLD]
        assert [one.reason for one in later] == ["TIMEOUT", "TIMEOUT", "STILL_HANGING"]
        hook.released.set()
        async with asyncio.timeout(10):
            while (await tell(teller, slow)).outcome is not ChannelOutcome.TOLD:
                pass


@pytest.mark.parametrize(
    "address",
    [
        "",
        "not an address",
        "nosuch://127.0.0.1",
        "json://",
        "syslog://local5",
        "dbus://",
        "windows://",
        "json://a\nb",
        "fcm://project/device?mode=oauth2&keyfile=http://127.0.0.1/key",
        "vapid://a@b.co/a@b.co?keyfile=/etc/passwd",
        "mailto://u:p@127.0.0.1?to=a@b.co&PGPPRV=/etc/passwd",
        f"json://127.0.0.1/{'x' * 5000}",
    ],
)
def test_what_is_no_address_or_acts_on_this_machine_is_refused(
    teller: AppriseTeller, address: str
) -> None:
    with pytest.raises(ChannelAddressInvalid) as refused:
        teller.seal(uuid7(), address)

    assert "127.0.0.1" not in str(refused.value)


async def test_a_sealed_address_opens_for_its_channel_and_its_installation_only(
    teller: AppriseTeller, hook: Listener
) -> None:
    sealed = teller.seal(uuid7(), hook.address)
    assert b"s3cr3t" not in sealed.sealed
    assert "s3cr3t" not in repr(sealed)
    elsewhere = AppriseTeller("another secret that is longer than thirty-two")
    [other] = await elsewhere.tell([Telling(sealed, "a", "b")])
    swapped = await tell(teller, SealedAddress(UUID(int=1), "json", sealed.sealed))
    emptied = await tell(teller, SealedAddress(sealed.channel_id, "json", b""))

    assert {one.outcome for one in (other, swapped, emptied)} == {ChannelOutcome.UNREADABLE}
    assert hook.told == []


async def test_no_secret_of_an_address_reaches_a_log(
    hook: Listener, capfd: pytest.CaptureFixture[str]
) -> None:
    """With every library at its most talkative; the control shows that the lines would be there."""
    root, configured = logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers, root.level
    written = io.StringIO()
    try:
        configure_logs("json", "debug", for_good=False)
        root.addHandler(logging.StreamHandler(written))
        root.setLevel(0)
        teller = AppriseTeller(SECRET, time_limit=5)
        for status in (200, 403):
            hook.status = status
            await tell(teller, hook.address)
        await tell(teller, "json://user:s3cr3t-password@127.0.0.1:1/s3cr3t-token")
        with pytest.raises(ChannelAddressInvalid):
            teller.seal(uuid7(), "nosuch://s3cr3t-token@127.0.0.1")
    finally:
        root.handlers = handlers
        root.setLevel(level)
        structlog.configure(**configured)

    out, err = capfd.readouterr()
    assert "s3cr3t" not in written.getvalue() + out + err
    assert json.dumps(hook.told)  # something was told
