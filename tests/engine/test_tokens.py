from __future__ import annotations

import asyncio
import re
from datetime import timedelta

import pytest
from engine_kit import ADA, ADMIN, BOB, principal
from sqlalchemy import event, select, update

from towpath_core.errors import Forbidden, Invalid, NotFound
from towpath_core.identity import SCOPES
from towpath_engine import tokens as module
from towpath_engine.clock import now
from towpath_engine.idempotency import IdempotencyMismatch
from towpath_engine.secrets import Sealer
from towpath_engine.store.tables import AUDIT, IDEMPOTENCY, TOKENS
from towpath_engine.token_text import checksum
from towpath_engine.tokens import MAX_DAYS, TokenService

pytestmark = pytest.mark.anyio


@pytest.fixture
def tokens(database):
    return TokenService(database)


@pytest.fixture
def statements(database):
    """How many statements were sent to the database."""
    sent = []
    engine = database._engine.sync_engine
    event.listen(engine, "before_cursor_execute", lambda *args: sent.append(args[2]))
    return sent


async def rows(database, table):
    async with database.begin() as transaction:
        return (await transaction.execute(select(table))).mappings().all()


async def test_a_token_stands_for_the_one_who_made_it(tokens):
    made = await tokens.create(ADA, "laptop", ["catalog:read", "runs:read"])
    assert re.fullmatch(r"tow_pat_[0-9A-Za-z]{22}_[0-9A-Za-z]{38}", made.token)
    found = await tokens.check(made.token)
    assert found.issuer == ADA.issuer
    assert found.subject == ADA.subject
    assert found.kind == ADA.kind
    assert found.entity_ref == ADA.entity_ref
    assert found.groups == ADA.groups
    assert found.scopes == {"catalog:read", "runs:read"}
    assert found.token_id == made.id
    assert made.token not in repr(made)


async def test_the_principal_of_another_issuer_stays_another(tokens):
    from msgspec.structs import replace

    stranger = replace(ADA, issuer="https://idp.example")
    own = await tokens.create(ADA, "own", ["catalog:read"])
    theirs = await tokens.create(stranger, "theirs", ["catalog:read"])
    assert (await tokens.check(theirs.token)).issuer == "https://idp.example"
    assert [info.id for info in await tokens.list(ADA)] == [own.id]
    with pytest.raises(NotFound):
        await tokens.revoke(ADA, theirs.id)


async def test_only_a_hash_is_kept(tokens, database):
    made = await tokens.create(ADA, "laptop", ["catalog:read"])
    secret = made.token.rpartition("_")[2]
    everything = repr(await rows(database, TOKENS)) + repr(await rows(database, AUDIT))
    assert secret not in everything
    assert secret[:32] not in everything
    assert made.id in everything


@pytest.mark.parametrize("changed", [0, 8, 12, 30, 31, 40, 67, -1])
async def test_a_token_with_one_letter_changed_costs_no_query(tokens, statements, changed):
    made = await tokens.create(ADA, "laptop", ["catalog:read"])
    letters = list(made.token)
    letters[changed] = "x" if letters[changed] != "x" else "y"
    statements.clear()
    assert await tokens.check("".join(letters)) is None
    assert statements == []


@pytest.mark.parametrize(
    "text",
    ["", "tow_pat_", "x" * 69, "tow_pat_" + "a" * 61, "\u0663" * 69, "tow_pat_\0" + "a" * 60],
)
async def test_junk_costs_no_query(tokens, statements, text):
    assert await tokens.check(text) is None
    assert statements == []


async def test_the_right_id_with_a_wrong_secret_is_nobody(tokens, database):
    made = await tokens.create(ADA, "laptop", ["catalog:read"])
    body = f"{made.id}_{'A' * 32}"
    assert await tokens.check(f"tow_pat_{body}{checksum(body)}") is None
    unknown = f"{'A' * 22}_{'A' * 32}"
    assert await tokens.check(f"tow_pat_{unknown}{checksum(unknown)}") is None
    # Nobody came in, so nothing says that it was used.
    (row,) = await rows(database, TOKENS)
    assert row["last_used_at"] is None


async def test_a_good_token_is_answered_from_memory_for_a_while(tokens, statements, monkeypatch):
    monkeypatch.setattr(module, "_REMEMBER_SECONDS", 3600.0)
    made = await tokens.create(ADA, "laptop", ["catalog:read"])
    first = await tokens.check(made.token)
    statements.clear()
    assert await tokens.check(made.token) == first
    assert statements == []


async def test_an_expired_token_is_nobody_also_from_memory(tokens, database, monkeypatch):
    made = await tokens.create(ADA, "laptop", ["catalog:read"], days=1)
    assert await tokens.check(made.token) is not None
    monkeypatch.setattr(module, "now", lambda: now() + timedelta(days=1, seconds=1))
    assert await tokens.check(made.token) is None


async def test_a_revoked_token_is_nobody_at_once(tokens):
    made = await tokens.create(ADA, "laptop", ["catalog:read"])
    other = await tokens.create(ADA, "phone", ["catalog:read"])
    assert await tokens.check(made.token) is not None
    await tokens.revoke(ADA, made.id)
    assert await tokens.check(made.token) is None
    assert await tokens.check(other.token) is not None
    first = next(info for info in await tokens.list(ADA) if info.id == made.id).revoked_at
    await tokens.revoke(ADA, made.id)
    again = next(info for info in await tokens.list(ADA) if info.id == made.id).revoked_at
    assert first == again is not None


async def test_another_process_notices_a_revocation_when_its_memory_is_over(
    tokens, database, monkeypatch
):
    elsewhere = TokenService(database)
    made = await tokens.create(ADA, "laptop", ["catalog:read"])
    assert await elsewhere.check(made.token) is not None
    await tokens.revoke(ADA, made.id)
    later = module.time.monotonic() + 5.01
    monkeypatch.setattr(module.time, "monotonic", lambda: later)
    assert await elsewhere.check(made.token) is None


async def test_a_token_revoked_while_it_is_looked_at_is_not_remembered(tokens, monkeypatch):
    made = await tokens.create(ADA, "laptop", ["catalog:read"])
    look_up = tokens._look_up

    async def slowly(*args):
        row = await look_up(*args)
        await tokens.revoke(ADA, made.id)
        return row

    monkeypatch.setattr(tokens, "_look_up", slowly)
    await tokens.check(made.token)
    monkeypatch.setattr(tokens, "_look_up", look_up)
    assert await tokens.check(made.token) is None


async def test_nobody_makes_a_token_with_more_scopes_than_their_own(tokens, database):
    narrow = principal("narrow", scopes=["catalog:read"])
    for scope in SCOPES:
        if scope != "catalog:read":
            with pytest.raises(Forbidden, match=scope):
                await tokens.create(narrow, "more", ["catalog:read", scope])
    assert await rows(database, TOKENS) == []
    made = await tokens.create(ADMIN, "less", ["catalog:read"])
    assert (await tokens.check(made.token)).scopes == {"catalog:read"}


@pytest.mark.parametrize(
    ("name", "scopes", "days", "code"),
    [
        ("", ["catalog:read"], 1, "name"),
        ("  ", ["catalog:read"], 1, "name"),
        ("x" * 101, ["catalog:read"], 1, "name"),
        (" " * 1000 + "x", ["catalog:read"], 1, "name"),
        ("red \x1b[31m", ["catalog:read"], 1, "name"),
        ("nul\0", ["catalog:read"], 1, "name"),
        ("x", [], 1, "scope"),
        ("x", ["catalog:reed"], 1, "scope"),
        ("x", ["catalog:read"], 0, "days"),
        ("x", ["catalog:read"], MAX_DAYS + 1, "days"),
    ],
)
async def test_a_wrong_wish_is_refused(tokens, database, name, scopes, days, code):
    with pytest.raises(Invalid) as caught:
        await tokens.create(ADA, name, scopes, days=days)
    assert [problem.code for problem in caught.value.problems] == [code]
    assert await rows(database, TOKENS) == []


async def test_the_first_administrator_is_made_once_however_many_ask(tokens, database):
    services = [TokenService(database) for _ in range(8)]
    made = await asyncio.gather(*(service.bootstrap() for service in services))
    (first,) = [token for token in made if token is not None]
    assert (await tokens.check(first.token)).is_admin
    # Not even when it was revoked: who has lost it needs the database, not the network.
    await tokens.revoke(ADMIN, first.id)
    assert await tokens.bootstrap() is None
    recovered = await tokens.recover()
    assert (await tokens.check(recovered.token)).is_admin


async def test_a_list_shows_ones_own_and_an_administrator_all(tokens):
    ada = await tokens.create(ADA, "a", ["catalog:read"])
    bob = await tokens.create(BOB, "b", ["catalog:read"])
    assert [info.id for info in await tokens.list(ADA)] == [ada.id]
    assert {info.id for info in await tokens.list(ADMIN)} == {ada.id, bob.id}
    with pytest.raises(NotFound):
        await tokens.revoke(ADA, bob.id)
    with pytest.raises(NotFound):
        await tokens.revoke(ADA, "no-such-id")
    with pytest.raises(Invalid):
        await tokens.revoke(ADA, "nul\0")
    assert await tokens.check(bob.token) is not None


async def test_each_act_is_in_the_audit(tokens, database):
    made = await tokens.create(ADA, "a", ["catalog:read"])
    await tokens.revoke(ADMIN, made.id)
    found = await rows(database, AUDIT)
    assert [(row["actor"], row["action"], row["subject"]) for row in found] == [
        ("towpath/ada", "tokens:create", made.id),
        ("towpath/root", "tokens:revoke", made.id),
    ]


async def test_memory_is_bounded(tokens, monkeypatch):
    monkeypatch.setattr(module, "_REMEMBER_MOST", 2)
    for number in range(5):
        made = await tokens.create(ADA, f"t{number}", ["catalog:read"])
        assert await tokens.check(made.token) is not None
        assert len(tokens._remembered) <= 2


async def test_use_is_noted(tokens, database):
    made = await tokens.create(ADA, "a", ["catalog:read"])
    await tokens.check(made.token)
    (info,) = await tokens.list(ADA)
    assert info.last_used_at is not None
    async with database.begin() as transaction:
        await transaction.execute(update(TOKENS).values(expires_at=now()))
    fresh = TokenService(database)
    assert await fresh.check(made.token) is None


async def test_a_repeated_request_with_its_key_gives_the_same_token(database):
    service = TokenService(database, Sealer(bytes(range(32))))
    made = [await service.create(ADMIN, "ci", ["catalog:read"], key="k") for _ in range(3)]
    assert len({token.token for token in made}) == 1
    assert await service.check(made[0].token) is not None
    with pytest.raises(IdempotencyMismatch):
        await service.create(ADMIN, "ci", ["catalog:write"], key="k")
    async with database.begin() as transaction:
        kept = str((await transaction.execute(select(IDEMPOTENCY.c.answer))).all())
    assert made[0].token[-38:] not in kept
