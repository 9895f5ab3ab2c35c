"""Lists of runs: what they let through, in which order, and to whom."""

from __future__ import annotations

import random
from datetime import timedelta
from uuid import uuid4

import pytest
from engine_kit import ADA, ADMIN, BOB, SEALER, principal
from sqlalchemy import insert, text, update
from sqlalchemy.dialects import postgresql

from towpath_core.errors import NotFound
from towpath_engine.runs.listing import Order, RunFilter, runs_of
from towpath_engine.runs.service import RunService
from towpath_engine.runs.tables import RUNS, STEPS
from towpath_engine.runs.terms import Terms

pytestmark = pytest.mark.anyio

EVE = principal("eve", groups=["group:default/keepers"])


class Shelf:
    """Runs in a journal that nobody does."""

    def __init__(self, database):
        self.database = database
        self.runs = RunService(database, SEALER)

    async def put(self, who=ADA, kind="test", title="A test", state=None, **terms):
        async with self.database.begin() as transaction:
            id = await self.runs.create(transaction, who, kind, title, {}, terms=Terms(**terms))
            if state is not None:
                await transaction.execute(update(RUNS).where(RUNS.c.id == id).values(state=state))
        return id

    async def ask(self, run_id, *approvers, state="waiting", seq=1, **more):
        wait = {"type": "approval", "question": "May I?", "approvers": list(approvers), **more}
        row = {"run_id": run_id, "seq": seq, "key": f"go{seq}", "name": "Go", "attempts": 1}
        row |= {"effect": "pure", "state": state, "wait": wait}
        async with self.database.begin() as transaction:
            await transaction.execute(insert(STEPS).values(**row))

    async def ids(self, who=ADA, limit=50, **wanted):
        found = await self.runs.list(who, RunFilter(**wanted), limit=limit)
        return [info.id for info in found]


@pytest.fixture
def shelf(database):
    return Shelf(database)


async def test_each_filter_lets_through_what_it_names(shelf):
    parent = await shelf.put(kind="scaffold", title="Make 100%_of it")
    child = await shelf.put(parent=(parent, "step"), title="Make a part")
    schedule = uuid4()
    fired = await shelf.put(schedule=schedule, queue="night", state="failed")
    theirs = await shelf.put(BOB, state="running")
    ended = await shelf.put(state="cancelled")
    every = [ended, theirs, fired, child, parent]
    assert await shelf.ids(ADMIN) == every
    assert await shelf.ids(ADA) == [one for one in every if one != theirs]
    assert await shelf.ids(kind="scaffold") == [parent]
    assert await shelf.ids(parent=parent) == [child]
    assert await shelf.ids(schedule=schedule) == [fired]
    assert await shelf.ids(queue="night") == [fired]
    assert await shelf.ids(ADMIN, states=("failed", "running")) == [theirs, fired]
    assert await shelf.ids(ADMIN, created_by=("User:Default/Bob",)) == [theirs]
    assert await shelf.ids(ADA, created_by=("user:default/bob",)) == []
    assert await shelf.ids(title="MAKE") == [child, parent]
    assert await shelf.ids(title="0%_o") == [parent]
    assert await shelf.ids(title="%") == [parent]
    assert await shelf.ids(title="m_ke") == []
    assert await shelf.ids(kind="scaffold", queue="night") == []


async def test_a_list_holds_no_input_and_no_big_output(shelf):
    """However much runs were sent and gave, a page of them is small."""
    outputs = [{"x": "small"}, None, {"x": "a" * 17_000}, {"x": random.randbytes(20_000).hex()}]
    for output in outputs:
        run_id = await shelf.put(state="succeeded")
        async with shelf.database.begin() as transaction:
            change = update(RUNS).where(RUNS.c.id == run_id)
            await transaction.execute(change.values(output=output, input={"n": 1}))
    for who in (ADA, ADMIN):
        found = await shelf.runs.list(who)
        assert [info.output for info in found[::-1]] == [{"x": "small"}, None, None, None]
        assert {info.input for info in found} == {None}
        whole = [await shelf.runs.get(who, info.id) for info in found[::-1]]
        assert [(info.input, info.output) for info in whole] == [({"n": 1}, o) for o in outputs]
        statement = str(runs_of(who, RunFilter(), limit=50))
        assert "runs.input" not in statement and "runs.secrets" not in statement


async def test_a_list_holds_no_big_subject_of_a_question(shelf):
    small, big = {"plan": "x"}, {"plan": ["x" * 100] * 200}
    for subject in (small, big):
        run_id = await shelf.put(state="waiting")
        await shelf.ask(run_id, "user:default/eve", subject=subject)
    for who in (ADA, EVE, ADMIN):
        waits = [info.waits[0] for info in await shelf.runs.list(who)]
        assert [(wait.question, wait.subject) for wait in waits] == [
            ("May I?", None),
            ("May I?", small),
        ]
    assert (await shelf.runs.get(EVE, run_id)).waits[0].subject == big


async def test_times_cut_a_half_open_piece(shelf):
    ids = [await shelf.put() for _ in range(5)]
    at = {info.id: info.created_at for info in await shelf.runs.list(ADA)}
    assert await shelf.ids(since=at[ids[1]], until=at[ids[3]]) == [ids[2], ids[1]]
    later = at[ids[4]] + timedelta(seconds=1)
    assert await shelf.ids(since=later) == []
    assert len(await shelf.ids(until=later)) == 5


async def test_a_walk_by_marks_sees_each_run_once_in_order(shelf):
    rng = random.Random(7)
    mine = []
    for number in range(40):
        who = rng.choice([ADA, BOB])
        id = await shelf.put(who)
        if who is BOB and rng.random() < 0.5:
            await shelf.ask(id, "user:default/ada")
            mine.append(id)
        if who is ADA:
            mine.append(id)
        assert number < 40
    # Many of one moment: only the id tells them apart.
    async with shelf.database.begin() as transaction:
        await transaction.execute(
            text("UPDATE runs SET created_at = date_trunc('day', created_at)")
        )
    walked, before = [], None
    while page := await shelf.runs.list(ADA, limit=3, before=before):
        walked += [info.id for info in page]
        before = (page[-1].created_at, page[-1].id)
    assert walked == sorted(mine, reverse=True)


class TestRights:
    async def test_who_is_asked_sees_the_run_as_a_user_or_through_a_group(self, shelf):
        run = await shelf.put(state="waiting")
        await shelf.ask(run, "user:default/nobody")
        for who in (BOB, EVE):
            assert await shelf.ids(who) == []
            with pytest.raises(NotFound):
                await shelf.runs.get(who, run)
        await shelf.ask(run, "user:default/bob", "group:default/keepers", seq=2)
        for who in (BOB, EVE, ADA, ADMIN):
            assert await shelf.ids(who) == [run]
            info = await shelf.runs.get(who, run)
            assert [wait.approvers for wait in info.waits] == [
                ("user:default/nobody",),
                ("user:default/bob", "group:default/keepers"),
            ]
            assert len(await shelf.runs.steps(who, run)) == 2
            assert await shelf.runs.events(who, run)
        assert await shelf.ids(principal("mallory", groups=["group:default/keeper"])) == []

    async def test_who_was_asked_sees_what_became_of_it(self, shelf):
        run = await shelf.put(state="succeeded")
        await shelf.ask(run, "user:default/bob", state="succeeded")
        assert await shelf.ids(BOB) == [run]
        assert (await shelf.runs.get(BOB, run)).state == "succeeded"
        assert await shelf.ids(BOB, asks_approval=True) == []

    async def test_only_approvals_show_a_run_to_others(self, shelf):
        run = await shelf.put(state="waiting")
        await shelf.ask(run, "user:default/bob", type="signal")
        assert await shelf.ids(BOB) == []
        with pytest.raises(NotFound):
            await shelf.runs.get(BOB, run)


async def test_what_asks_for_a_yes_is_listed(shelf):
    plain, asking, late = [await shelf.put(state="waiting") for _ in range(3)]
    await shelf.ask(asking, "group:default/keepers", until="2030-01-01T00:00:00Z", subject={"n": 1})
    await shelf.ask(late, "group:default/keepers", state="succeeded")
    assert await shelf.ids(asks_approval=True) == [asking]
    assert await shelf.ids(EVE, asks_approval=True) == [asking]
    (info,) = await shelf.runs.list(EVE, RunFilter(asks_approval=True))
    (wait,) = info.waits
    assert (wait.step, wait.type, wait.name, wait.question) == ("go1", "approval", "Go", "May I?")
    assert (wait.until.year, wait.subject) == (2030, {"n": 1})
    assert (await shelf.runs.get(ADA, plain)).waits == ()


async def test_pages_by_offset_are_counted_and_ordered(shelf):
    ids = [await shelf.put(state=state) for state in ("failed", "queued", "unknown", "succeeded")]
    await shelf.put(BOB)
    words = {"failed": "b", "unknown": "b", "queued": "c", "succeeded": "a"}

    async def page(who=ADA, order=(), limit=10, offset=0, most=100, **wanted):
        found, total = await shelf.runs.page(
            who, RunFilter(**wanted), order, words, limit=limit, offset=offset, most=most
        )
        return [info.id for info in found], total

    failed, queued, unknown, succeeded = ids
    assert await page() == (ids[::-1], 4)
    assert await page(limit=2, offset=1) == ([unknown, queued], 4)
    assert await page(offset=4) == ([], 4)
    assert (await page(ADMIN, most=3))[1] == 3
    by_word = [succeeded, unknown, failed, queued]
    assert await page(order=[Order("state")]) == (by_word, 4)
    assert await page(order=[Order("created_at")]) == (ids, 4)
    by_owner, total = await page(ADMIN, order=[Order("created_by", True)])
    assert (by_owner[1:], total) == (ids[::-1], 5)


async def test_one_s_own_page_is_found_by_its_index(shelf):
    """Among many runs of others, without a look at each."""
    template = await shelf.put(BOB)
    mine = [await shelf.put(ADA) for _ in range(3)]
    async with shelf.database.begin() as transaction:
        names = ", ".join(column.name for column in RUNS.c if column.name not in ("id", "turn"))
        copy = f"INSERT INTO runs (id, turn, {names}) SELECT gen_random_uuid(), 1, {names}"
        await transaction.execute(
            text(f"{copy} FROM runs, generate_series(1, 20000) WHERE id = :id"), {"id": template}
        )
        await transaction.execute(text("ANALYZE runs"))
    query = runs_of(ADA, RunFilter(), limit=50).compile(dialect=postgresql.psycopg.dialect())
    async with shelf.database.begin() as transaction:
        plan = await transaction.exec_driver_sql(f"EXPLAIN {query}", query.params)
        steps = "\n".join(plan.scalars())
    assert "runs_owner" in steps
    assert "Seq Scan on runs" not in steps
    assert await shelf.ids(ADA) == mine[::-1]
