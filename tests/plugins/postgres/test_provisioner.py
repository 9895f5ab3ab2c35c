"""The life of a database on a real server, and everybody else's that must not be touched."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import msgspec
import psycopg
import pytest
from psycopg import sql

from towpath_core.errors import Invalid, LimitExceeded, StepFailed, Unavailable
from towpath_core.provisioning import Applied, PlanRequest, ResourceHandle
from towpath_core.testing import RecordingTools
from towpath_engine.store.embedded import EmbeddedServer
from towpath_postgres.naming import name_for, resource_mark
from towpath_postgres.provisioner import PostgresProvisioner
from towpath_postgres.settings import PostgresSettings

Ask = Callable[..., PlanRequest]
Root = psycopg.Connection


def handle(request: PlanRequest, applied: Applied | None = None) -> ResourceHandle:
    state = applied.state if applied else {}
    return ResourceHandle(
        request.resource_id, request.name, request.offering, request.parameters, "", state
    )


def login(provisioner: PostgresProvisioner, request: PlanRequest, binding: str) -> dict[str, str]:
    return provisioner.bind(handle(request), binding, RecordingTools()).values


def connect(values: dict[str, str], **other: str) -> psycopg.Connection:
    wanted = {
        "host": values["host"],
        "port": values["port"],
        "dbname": values["database"],
        "user": values["username"],
        "password": values["password"],
    }
    return psycopg.connect(**wanted | other, autocommit=True)  # type: ignore[arg-type]


def lets_in(values: dict[str, str], **other: str) -> bool:
    try:
        connect(values, **other).close()
    except psycopg.OperationalError:
        return False
    return True


def one(connection: psycopg.Connection, query: str, *values: Any) -> Any:
    row = connection.execute(query, values or None).fetchone()  # type: ignore[call-overload]
    return row[0] if row else None


def roles_of(root: Root, request: PlanRequest) -> int:
    found: int = one(
        root,
        "SELECT count(*) FROM pg_shdescription WHERE right(description, length(%s)) = %s",
        f"resource={request.resource_id}",
        f"resource={request.resource_id}",
    )
    return found


def test_from_the_plan_to_the_last_trace(
    provisioner: PostgresProvisioner, ask: Ask, root: Root
) -> None:
    request = ask()
    plan = provisioner.plan(request)
    assert [change.action for change in plan] == ["create", "create"]
    tools = RecordingTools()
    applied = provisioner.apply(request, tools)
    name = applied.outputs["database"]
    assert name == name_for("Shop", request.resource_id)
    assert [change.action for change in provisioner.plan(request)] == ["none"]
    assert provisioner.read(handle(request)) == applied
    assert f"Made database {name}." in tools.text()

    values = login(provisioner, request, "b-1")
    assert len(values["password"]) == 32
    with connect(values) as developer, psycopg.connect(values["uri"], autocommit=True) as by_uri:
        assert one(developer, "SELECT current_database()") == name
        assert one(developer, "SHOW statement_timeout") == "30s"
        developer.execute("CREATE SCHEMA own; CREATE TABLE own.t AS SELECT 1 AS x")
        developer.execute("CREATE TABLE t AS SELECT 2 AS x")
        assert one(by_uri, "SELECT x FROM t") == 2
        assert one(developer, "SELECT tableowner FROM pg_tables WHERE tablename = 't'") == name
        assert not one(developer, "SELECT rolsuper FROM pg_roles WHERE rolname = session_user")
        provisioner.delete(handle(request, applied), RecordingTools())
    assert not lets_in(values)
    assert provisioner.read(handle(request)) is None
    assert one(root, "SELECT count(*) FROM pg_database WHERE datname = %s", name) == 0
    assert roles_of(root, request) == 0
    provisioner.delete(handle(request, applied), RecordingTools())


def test_a_database_is_removed_while_it_is_being_vacuumed(
    busy_server: EmbeddedServer, busy: PostgresProvisioner
) -> None:
    request = PlanRequest("r-1", "Shop", "postgres-database", {}, "group:default/a")
    name = busy.apply(request, RecordingTools()).outputs["database"]
    values = login(busy, request, "b-1")
    with connect(values) as developer, psycopg.connect(busy_server.url("postgres")) as root:
        root.autocommit = True
        developer.execute(
            "CREATE TABLE t WITH (autovacuum_vacuum_cost_limit = 1,"
            " autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_threshold = 0,"
            " autovacuum_vacuum_scale_factor = 0)"
            " AS SELECT generate_series(1, 50000) AS x"
        )
        developer.execute("DELETE FROM t WHERE x % 2 = 0")
        workers = (
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE backend_type = 'autovacuum worker' AND query LIKE '%%public.t%%'"
            " AND datname = %s"
        )
        until = time.monotonic() + 60
        while not one(root, workers, name):
            assert time.monotonic() < until
            time.sleep(0.05)
        busy.delete(handle(request), RecordingTools())
        assert one(root, "SELECT count(*) FROM pg_database WHERE datname = %s", name) == 0
    assert not lets_in(values)


def test_a_superuser_inside_holds_the_removal_up_until_it_leaves(
    provisioner: PostgresProvisioner, ask: Ask, pg_server: EmbeddedServer
) -> None:
    request = ask()
    name = provisioner.apply(request, RecordingTools()).outputs["database"]
    values = login(provisioner, request, "b-1")
    with psycopg.connect(pg_server.url(name), autocommit=True) as inside:
        with pytest.raises(Unavailable, match="accessed by other users"):
            provisioner.delete(handle(request), RecordingTools())
        assert one(inside, "SELECT 1") == 1
        assert not lets_in(values)
    provisioner.delete(handle(request), RecordingTools())
    assert provisioner.read(handle(request)) is None


def test_a_binding_is_taken_back_and_what_it_made_stays(
    provisioner: PostgresProvisioner, ask: Ask, root: Root
) -> None:
    request = ask()
    provisioner.apply(request, RecordingTools())
    first, second = (login(provisioner, request, name) for name in ("b-1", "b-2"))
    assert first["username"] != second["username"]
    with connect(first) as developer:
        developer.execute("CREATE TABLE kept AS SELECT 1 AS x")
        developer.execute("SET ROLE NONE")
        developer.execute("CREATE TABLE under_its_own_name AS SELECT 2 AS x")
        provisioner.unbind(handle(request), "b-1", {}, RecordingTools())
        with pytest.raises(psycopg.OperationalError):
            developer.execute("SELECT 1")
    assert not lets_in(first)
    with connect(second) as other:
        assert one(other, "SELECT x FROM kept") == 1
        other.execute("DROP TABLE under_its_own_name")
    assert one(root, "SELECT 1 FROM pg_roles WHERE rolname = %s", first["username"]) is None
    provisioner.unbind(handle(request), "b-1", {}, RecordingTools())
    assert lets_in(second)


def test_binding_again_replaces_the_password_of_the_same_role(
    provisioner: PostgresProvisioner, ask: Ask, root: Root
) -> None:
    request = ask()
    provisioner.apply(request, RecordingTools())
    first = login(provisioner, request, "b-1")
    again = login(provisioner, request, "b-1")
    assert again["username"] == first["username"]
    assert lets_in(again)
    assert not lets_in(first)
    assert roles_of(root, request) == 3  # database, owner, one login


def test_tenants_reach_neither_each_other_nor_the_platform(
    provisioner: PostgresProvisioner, ask: Ask
) -> None:
    one_request, other_request = ask("Mine"), ask("Theirs")
    for request in (one_request, other_request):
        provisioner.apply(request, RecordingTools())
    mine, theirs = (login(provisioner, r, "b") for r in (one_request, other_request))
    for database in (theirs["database"], "towpath", "postgres", "template1"):
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            connect(mine, dbname=database)
    with connect(mine) as tenant:
        for statement in (
            f"SET ROLE {theirs['database']}",
            f"DROP ROLE {theirs['username']}",
            f"ALTER ROLE {theirs['username']} PASSWORD 'mine now'",
            f"ALTER DATABASE {theirs['database']} CONNECTION LIMIT 0",
            "CREATE ROLE friend",
            "CREATE DATABASE another",
            f"COMMENT ON ROLE {mine['database']} IS 'somebody else''s'",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                tenant.execute(statement)  # type: ignore[arg-type]


def test_traps_in_a_database_do_not_keep_its_binding_alive(
    provisioner: PostgresProvisioner, ask: Ask
) -> None:
    request = ask()
    name = provisioner.apply(request, RecordingTools()).outputs["database"]
    values = login(provisioner, request, "b")
    with connect(values) as tenant:
        for setting in (
            f"role = '{name}'",
            "local_preload_libraries = 'nothing'",
            "search_path = 'traps'",
            "default_transaction_read_only = on",
            "statement_timeout = '1ms'",
        ):
            tenant.execute(f"ALTER DATABASE {name} SET {setting}")  # type: ignore[arg-type]
    provisioner.unbind(handle(request), "b", {}, RecordingTools())
    assert not lets_in(values)
    assert [change.action for change in provisioner.plan(request)] == ["update"]
    provisioner.apply(request, RecordingTools())


def test_the_plan_sees_what_changed_behind_its_back_and_apply_puts_it_right(
    provisioner: PostgresProvisioner, ask: Ask, root: Root
) -> None:
    request = ask()
    name = provisioner.apply(request, RecordingTools()).outputs["database"]
    assert provisioner.plan(request) == provisioner.plan(request)
    database = sql.Identifier(name)
    for statement in (
        "ALTER DATABASE {} CONNECTION LIMIT 99",
        "ALTER DATABASE {} RESET statement_timeout",
        "GRANT CONNECT ON DATABASE {} TO PUBLIC",
        "COMMENT ON DATABASE {} IS NULL",
    ):
        root.execute(sql.SQL(statement).format(database))  # type: ignore[arg-type]
    (change,) = provisioner.plan(request)
    assert (change.action, change.target) == ("update", f"database {name}")
    assert change.detail == {
        "connection_limit": {"now": 99, "then": 10},
        "statement_timeout": {"now": None, "then": "30s"},
        "public": {"now": True, "then": False},
        "comment": {"now": None, "then": resource_mark(request.resource_id)},
    }
    provisioner.apply(request, RecordingTools())
    assert [change.action for change in provisioner.plan(request)] == ["none"]


def test_another_size_is_an_update(provisioner: PostgresProvisioner, ask: Ask) -> None:
    request = ask()
    provisioner.apply(request, RecordingTools())
    medium = msgspec.structs.replace(
        request, parameters={"connection_limit": 40, "statement_timeout": 120}
    )
    (change,) = provisioner.plan(medium)
    assert change.detail["connection_limit"] == {"now": 10, "then": 40}
    provisioner.apply(medium, RecordingTools())
    assert [change.action for change in provisioner.plan(medium)] == ["none"]


def test_the_connection_limit_counts_all_bindings(
    provisioner: PostgresProvisioner, ask: Ask
) -> None:
    request = ask(connection_limit=2)
    provisioner.apply(request, RecordingTools())
    first, second = (login(provisioner, request, name) for name in ("b-1", "b-2"))
    with connect(first), connect(second):
        assert not lets_in(first)
    assert lets_in(first)


def test_an_extension_is_installed_by_a_superuser_and_refused_to_others(
    provisioner: PostgresProvisioner, pg_server: EmbeddedServer, ask: Ask
) -> None:
    request = ask(extensions=["vector"])
    with pytest.raises(StepFailed, match="needs a superuser"):
        provisioner.apply(request, RecordingTools())
    strong = PostgresProvisioner(PostgresSettings(url=pg_server.admin_url()))
    (change,) = [change for change in strong.plan(request) if change.action != "none"]
    assert change.target.startswith("extension vector in ")
    strong.apply(request, RecordingTools())
    assert [change.action for change in strong.plan(request)] == ["none"]
    with connect(login(strong, request, "b")) as developer:
        assert one(developer, "SELECT '[1,2]'::vector <-> '[1,3]'::vector") == 1.0


@pytest.mark.parametrize(
    ("parameters", "pointer"),
    [
        ({"connection_limit": 0}, "/parameters"),
        ({"connection_limit": "10"}, "/parameters"),
        ({"superuser": True}, "/parameters"),
        ({"extensions": ["dblink"]}, "/parameters/extensions/0"),
        ({"extensions": ["vector", "pg_trgm"]}, "/parameters/extensions/1"),
    ],
)
def test_parameters_that_cannot_be_met_have_their_place(
    provisioner: PostgresProvisioner, ask: Ask, parameters: dict[str, Any], pointer: str
) -> None:
    request = ask(**parameters)
    tools = RecordingTools()
    for call in (lambda: provisioner.plan(request), lambda: provisioner.apply(request, tools)):
        with pytest.raises(Invalid) as caught:
            call()
        assert [problem.place.pointer for problem in caught.value.problems] == [pointer]
    assert provisioner.read(handle(request)) is None


@pytest.mark.parametrize("kind", ["DATABASE", "ROLE"])
def test_what_somebody_else_made_is_never_touched(
    provisioner: PostgresProvisioner, ask: Ask, root: Root, kind: str
) -> None:
    request = ask()
    name = sql.Identifier(name_for(request.name, request.resource_id))
    root.execute(sql.SQL(f"CREATE {kind} {{}}").format(name))  # type: ignore[arg-type]
    tools = RecordingTools()
    for call in (lambda: provisioner.plan(request), lambda: provisioner.apply(request, tools)):
        with pytest.raises(StepFailed, match="did not make"):
            call()
    provisioner.delete(handle(request), RecordingTools())
    root.execute(sql.SQL(f"DROP {kind} {{}}").format(name))  # type: ignore[arg-type]


def test_a_database_that_was_taken_from_its_role_is_no_longer_ours(
    provisioner: PostgresProvisioner, ask: Ask, root: Root
) -> None:
    request = ask()
    name = provisioner.apply(request, RecordingTools()).outputs["database"]
    database = sql.Identifier(name)
    root.execute(sql.SQL("ALTER DATABASE {} OWNER TO towpath").format(database))
    with pytest.raises(StepFailed, match="did not make"):
        provisioner.delete(handle(request), RecordingTools())
    assert one(root, "SELECT 1 FROM pg_database WHERE datname = %s", name) == 1
    root.execute(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(database, database))


def test_bindings_of_a_database_that_is_gone(
    provisioner: PostgresProvisioner, ask: Ask, root: Root
) -> None:
    request = ask()
    with pytest.raises(StepFailed, match="no database"):
        login(provisioner, request, "b")
    name = provisioner.apply(request, RecordingTools()).outputs["database"]
    values = login(provisioner, request, "b")
    root.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(name)))
    assert provisioner.read(handle(request)) is None
    provisioner.unbind(handle(request), "b", {}, RecordingTools())
    assert one(root, "SELECT 1 FROM pg_roles WHERE rolname = %s", values["username"]) is None
    provisioner.apply(request, RecordingTools())
    assert provisioner.read(handle(request)) is not None


def test_no_password_reaches_the_log_or_the_activity_of_the_server(
    provisioner: PostgresProvisioner,
    settings: PostgresSettings,
    pg_server: EmbeddedServer,
    ask: Ask,
    root: Root,
) -> None:
    admin = sql.Identifier(settings.conninfo()["user"])
    root.execute(sql.SQL("ALTER ROLE {} SET log_statement = 'all'").format(admin))
    request = ask()
    provisioner.apply(request, RecordingTools())
    values = login(provisioner, request, "b")
    root.execute(sql.SQL("ALTER ROLE {} RESET log_statement").format(admin))
    log = pg_server.log_file.read_text()
    assert f'CREATE ROLE "{values["username"]}"' in log  # the log would have shown it
    activity = str(root.execute("SELECT query FROM pg_stat_activity").fetchall())
    assert values["password"] not in log + activity


def test_developers_are_told_the_address_of_the_settings(
    settings: PostgresSettings, ask: Ask
) -> None:
    told = msgspec.structs.replace(settings, host="db.example.org", port=6543, prefix="eu_")
    request = ask()
    outputs = PostgresProvisioner(told).apply(request, RecordingTools()).outputs
    assert (outputs["host"], outputs["port"]) == ("db.example.org", 6543)
    values = login(PostgresProvisioner(told), request, "b")
    assert values["database"].startswith("eu_shop_")
    assert f"@db.example.org:6543/{values['database']}" in values["uri"]


def test_a_server_that_is_down_is_unavailable_and_no_secret_is_told(ask: Ask) -> None:
    down = PostgresProvisioner(PostgresSettings(url="postgresql://a:hush@127.0.0.1:1/postgres"))
    request = ask()
    calls: tuple[Callable[[], object], ...] = (
        lambda: down.plan(request),
        lambda: down.read(handle(request)),
        lambda: down.apply(request, RecordingTools()),
        lambda: down.delete(handle(request), RecordingTools()),
        lambda: down.bind(handle(request), "b", RecordingTools()),
        lambda: down.unbind(handle(request), "b", {}, RecordingTools()),
    )
    for call in calls:
        with pytest.raises(Unavailable, match=r"\[plugins.postgres\]") as caught:
            call()
        assert "hush" not in repr(caught.value) + str(caught.value) + repr(down)


def test_a_role_without_rights_is_told_which_it_lacks(
    pg_server: EmbeddedServer, admin_url: str, ask: Ask, root: Root
) -> None:
    request = ask()
    weak = sql.Identifier(f"weak_{request.resource_id[:8]}")
    root.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'w'").format(weak))
    root.execute(sql.SQL("GRANT CONNECT ON DATABASE postgres TO {}").format(weak))
    where = admin_url.rpartition("@")[2]
    url = f"postgresql://weak_{request.resource_id[:8]}:w@{where}"
    with pytest.raises(StepFailed, match="CREATEROLE and CREATEDB"):
        PostgresProvisioner(PostgresSettings(url=url)).apply(request, RecordingTools())


def test_work_on_one_resource_waits_for_the_other_worker_and_gives_up_in_time(
    provisioner: PostgresProvisioner, ask: Ask
) -> None:
    request = ask()
    with provisioner._alone(request.resource_id, RecordingTools()):
        began = time.monotonic()
        with pytest.raises(LimitExceeded):
            provisioner.apply(request, RecordingTools(seconds=0.3))
        assert 0.25 < time.monotonic() - began < 60
    provisioner.apply(request, RecordingTools())


def test_a_session_that_the_server_ends_is_unavailable(
    provisioner: PostgresProvisioner, ask: Ask, root: Root
) -> None:
    request = ask()
    with (
        pytest.raises(Unavailable),
        provisioner._alone(request.resource_id, RecordingTools()) as session,
    ):
        root.execute("SELECT pg_terminate_backend(%s, 5000)", [session.connection.info.backend_pid])
        session.run("SELECT 1")
