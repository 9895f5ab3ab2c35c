from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from engine_kit import ADA, BOB
from msgspec.structs import replace
from sqlalchemy import func, select, update

from towpath_core.errors import Invalid
from towpath_engine.audit import actor_of, record
from towpath_engine.clock import now
from towpath_engine.idempotency import IdempotencyMismatch, Request, recall, remember
from towpath_engine.store.tables import AUDIT, IDEMPOTENCY

pytestmark = pytest.mark.anyio


async def act(database, who, key, body, *, operation="make", pause=0.0):
    """An operation with one effect, an audit row, and an answer of its own."""
    request = Request.of(who, key, operation, body)
    async with database.begin() as transaction:
        if (answer := await recall(transaction, request)) is not None:
            return answer
        await asyncio.sleep(pause)
        await record(transaction, who, "test:act", str(body))
        answer = {"number": (await transaction.execute(count_of(AUDIT))).scalar_one()}
        await remember(transaction, request, answer)
    return answer


def count_of(table):
    return select(func.count()).select_from(table)


async def counted(database, table):
    async with database.begin() as transaction:
        return (await transaction.execute(count_of(table))).scalar_one()


async def test_twenty_at_once_have_one_effect_and_one_answer(database):
    answers = await asyncio.gather(
        *(act(database, ADA, "k", {"a": 1}, pause=0.02) for _ in range(20))
    )
    assert answers == [{"number": 1}] * 20
    assert await counted(database, AUDIT) == 1


async def test_the_order_of_a_body_does_not_matter(database):
    assert await act(database, ADA, "k", {"a": 1, "b": 2}) == {"number": 1}
    assert await act(database, ADA, "k", {"b": 2, "a": 1}) == {"number": 1}


@pytest.mark.parametrize(
    ("body", "operation"), [({"a": 2}, "make"), ({"a": 1}, "other"), ({"a": "1"}, "make")]
)
async def test_another_request_with_the_key_is_refused(database, body, operation):
    await act(database, ADA, "k", {"a": 1})
    with pytest.raises(IdempotencyMismatch):
        await act(database, ADA, "k", body, operation=operation)
    assert await counted(database, AUDIT) == 1


async def test_the_same_key_of_somebody_else_is_another_key(database):
    assert await act(database, ADA, "k", 1) == {"number": 1}
    assert await act(database, BOB, "k", 2) == {"number": 2}
    assert await act(database, ADA, "k", 1) == {"number": 1}


async def test_without_a_key_each_request_is_done(database):
    assert await act(database, ADA, None, 1) == {"number": 1}
    assert await act(database, ADA, None, 1) == {"number": 2}


async def test_what_is_rolled_back_is_forgotten(database):
    request = Request.of(ADA, "k", "make", 1)
    with pytest.raises(RuntimeError):
        async with database.begin() as transaction:
            assert await recall(transaction, request) is None
            await remember(transaction, request, {"number": 0})
            raise RuntimeError
    assert await act(database, ADA, "k", 1) == {"number": 1}


async def test_after_a_day_a_key_is_new_also_where_nobody_cleaned(database):
    await act(database, ADA, "k", 1)
    await act(database, BOB, "k", 1)
    async with database.begin() as transaction:
        await transaction.execute(update(IDEMPOTENCY).values(at=now() - timedelta(hours=24)))
    assert await act(database, ADA, "k", 2) == {"number": 3}
    assert await counted(database, IDEMPOTENCY) == 1


async def test_cleaning_does_not_wait_for_another_request(database):
    await act(database, ADA, "old", 1)
    async with database.begin() as transaction:
        await transaction.execute(update(IDEMPOTENCY).values(at=now() - timedelta(hours=25)))
    async with database.begin() as busy:
        await busy.execute(select(IDEMPOTENCY).with_for_update())
        async with asyncio.timeout(60):
            assert await act(database, BOB, "new", 1) == {"number": 2}
    assert await counted(database, IDEMPOTENCY) == 2


@pytest.mark.parametrize("key", ["", "x" * 256])
async def test_a_key_has_a_length(key):
    with pytest.raises(Invalid):
        Request.of(ADA, key, "make", None)


def test_no_two_principals_share_a_name_in_journals():
    one = replace(ADA, issuer="https://idp", subject="eu/ada")
    other = replace(ADA, issuer="https://idp/eu", subject="ada")
    third = replace(ADA, issuer="https://idp", subject="eu%2Fada")
    assert len({actor_of(one), actor_of(other), actor_of(third)}) == 3
    assert actor_of(ADA) == "towpath/ada"
