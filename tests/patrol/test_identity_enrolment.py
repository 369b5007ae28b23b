"""A code and a phone's key become a session, once, and for nobody else."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import asyncpg
import pytest

from patrol.errors import (
    DeviceProofInvalid,
    EnrolmentCodeInvalid,
    NotAllowed,
    NotFound,
)
from patrol.identity import (
    Phone,
    PhoneKey,
    SignedIn,
    enrol,
    issue_code_as_supervisor,
    issue_enrolment_code,
)
from storage.principal import Role, system
from tests import personas
from tests.patrol.identity_support import SignIn
from tests.signing_phone import SigningPhone, p256_key
from tests.world import World


@pytest.mark.oldest
@pytest.mark.parametrize("private", [None, p256_key()], ids=["Ed25519", "P-256"])
async def test_a_code_turns_a_phone_into_the_officers_phone(
    sign_in: SignIn, world: World, private: object
) -> None:
    phone = SigningPhone(private) if private else SigningPhone()
    signed_in = await sign_in.enrolled(phone, world.kanya)
    principal = sign_in.principal(signed_in)
    assert (principal.id, principal.credential_id) == (world.kanya, signed_in.session_id)
    assert signed_in.officer["name"] == "Kanya"
    async with world.database.read(Role.PHONE, principal) as entered:
        assert set(entered.scopes) == {world.market, world.staff}


@pytest.mark.parametrize("written", ["{}", " {} ", "{lower}", "{plain}", "{spaced}"], ids=str)
async def test_a_code_may_be_written_as_people_write_it(
    sign_in: SignIn, world: World, written: str
) -> None:
    code = await sign_in.code(world.kanya)
    plain = code.replace("-", "")
    typed = written.format(
        code, lower=code.lower(), plain=plain, spaced=" ".join([plain[:3], plain[3:6], plain[6:]])
    )
    typed = typed.replace("0", "o").replace("1", "l")
    await SigningPhone().enrol(sign_in.database, sign_in.access, typed)


async def test_a_lost_enrolment_answer_can_be_asked_for_again_by_the_same_phone_only(
    sign_in: SignIn, world: World
) -> None:
    phone, code = SigningPhone(), await sign_in.code(world.kanya)
    first = await phone.enrol(sign_in.database, sign_in.access, code)
    again = await phone.enrol(sign_in.database, sign_in.access, code)
    assert (again.session_id, again.refresh_token) == (first.session_id, first.refresh_token)
    with pytest.raises(EnrolmentCodeInvalid):
        await SigningPhone().enrol(sign_in.database, sign_in.access, code)
    await sign_in.refreshed(phone, again.refresh_token)
    with pytest.raises(EnrolmentCodeInvalid):
        await phone.enrol(sign_in.database, sign_in.access, code)


async def test_two_phones_with_one_code_get_one_session(sign_in: SignIn, world: World) -> None:
    code = await sign_in.code(world.kanya)
    answers = await asyncio.gather(
        *(SigningPhone().enrol(sign_in.database, sign_in.access, code) for _ in range(5)),
        return_exceptions=True,
    )
    assert sum(isinstance(answer, SignedIn) for answer in answers) == 1
    assert sum(isinstance(answer, EnrolmentCodeInvalid) for answer in answers) == 4


async def test_an_expired_code_is_refused(sign_in: SignIn, world: World) -> None:
    code = await sign_in.code(world.kanya, ttl=timedelta(0))
    with pytest.raises(EnrolmentCodeInvalid):
        await SigningPhone().enrol(sign_in.database, sign_in.access, code)


@pytest.mark.parametrize(
    "code", ["", "ABCDE-FGHJK", "ABCDE", "UUUUU-UUUUU", "ABCDE-FGHJKM", "\0" * 10]
)
async def test_an_unknown_code_is_refused(sign_in: SignIn, code: str) -> None:
    with pytest.raises(EnrolmentCodeInvalid):
        await SigningPhone().enrol(sign_in.database, sign_in.access, code)


async def test_a_code_of_an_officer_who_left_is_refused(sign_in: SignIn, world: World) -> None:
    code = await sign_in.code(world.kanya)
    await world.change("update officer set active = false where id = $1", world.kanya)
    with pytest.raises(EnrolmentCodeInvalid):
        await SigningPhone().enrol(sign_in.database, sign_in.access, code)


async def test_a_phone_must_prove_the_key_that_it_shows(sign_in: SignIn, world: World) -> None:
    code, other = await sign_in.code(world.kanya), await sign_in.code(world.somkid)
    phone, thief = SigningPhone(), SigningPhone()
    shown = Phone(PhoneKey.of(phone.jwk), "android", "Test")
    for proof in (
        thief.enrol_proof(code),
        phone.enrol_proof(other),
        phone.refresh_proof(code),
        phone.signed({"aud": "enrol"}),
        phone.signed([1]),
        "",
    ):
        with pytest.raises(DeviceProofInvalid):
            await enrol(sign_in.database, sign_in.access, code=code, proof=proof, phone=shown)
    await phone.enrol(sign_in.database, sign_in.access, code)


async def test_the_code_is_kept_as_a_hash_and_the_audit_names_everybody(
    sign_in: SignIn, world: World, owner: asyncpg.Connection
) -> None:
    supervisor = await personas.as_officer(world, world.prasert)
    issued = await issue_code_as_supervisor(world.database, supervisor, world.kanya)
    signed_in = await SigningPhone().enrol(sign_in.database, sign_in.access, issued.code)
    rows = await owner.fetch("select * from audit_entry order by id")
    assert [(row["principal"], row["act"], row["subject"]) for row in rows] == [
        (str(supervisor), "enrolment_code.issue", str(world.kanya)),
        ("system:sign-in", "session.begin", str(signed_in.session_id)),
    ]
    kept = str(rows) + str(await owner.fetch("select * from enrolment_code"))
    for secret in (issued.code, issued.code.replace("-", ""), signed_in.refresh_token):
        assert secret not in kept
        assert secret not in repr(issued) + repr(signed_in)


async def test_only_a_supervisor_issues_codes_and_only_for_the_own_station(
    sign_in: SignIn, world: World
) -> None:
    supervisor = await personas.as_officer(world, world.prasert)
    elsewhere = await world.add_officer("Malee", station=await world.add_station("Phop Phra"))
    with pytest.raises(NotFound):
        await issue_code_as_supervisor(world.database, supervisor, elsewhere)
    for nobody in (
        await personas.as_officer(world, world.kanya),
        await personas.as_partner(world, world.radio),
        await personas.as_camera(world, world.market_camera),
    ):
        with pytest.raises(NotAllowed):
            await issue_code_as_supervisor(world.database, nobody, world.somkid)
    async with world.database.write(system("test")) as connection:
        with pytest.raises(NotFound):
            await issue_enrolment_code(connection, world.station, "test")
