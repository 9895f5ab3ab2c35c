"""How plugins are found and loaded, and the state each ends in."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from importlib.metadata import EntryPoint
from types import SimpleNamespace

import pytest

from towpath_core import SPEC_VERSION, hookimpl
from towpath_core.errors import PluginError, SettingsError
from towpath_core.plugins import PluginConfig, PluginHost
from towpath_core.policy import Allow

GOOD = """
from towpath_core import hookimpl
from towpath_core.policy import Allow

TOWPATH_SPEC = 1

class Open:
    def __init__(self, name):
        self.name = name

    def decide(self, request):
        return Allow()

@hookimpl
def towpath_policies(settings):
    return [Open(settings.get("name", "open"))]
"""

HEAD = "from towpath_core import hookimpl\n"

FAULTS = {
    "import-error": ("import acme_nowhere", "failed", "ModuleNotFoundError: .*acme_nowhere"),
    "import-raises": ("1 / 0", "failed", r"ZeroDivisionError: .* \(at acme_import_raises:1\)"),
    "syntax-error": ("def", "failed", "SyntaxError"),
    "system-exit": ("raise SystemExit(3)", "failed", "SystemExit: 3"),
    "interrupt": ("raise KeyboardInterrupt", "failed", "KeyboardInterrupt"),
    "generator-exit": ("raise GeneratorExit", "failed", "GeneratorExit"),
    "mute": (
        """
        class Mute(BaseException):
            def __str__(self):
                raise SystemExit
        raise Mute
        """,
        "failed",
        r"Mute: \(its text cannot be read\)",
    ),
    "liar": (
        """
        class Liar(BaseException):
            @property
            def __class__(self):
                raise SystemExit
        raise Liar("x")
        """,
        "failed",
        "Liar: x",
    ),
    "escape-codes": (
        "raise ValueError('\\x1b[31mred\\nsecond line' + 'x' * 10_000)",
        "failed",
        r"ValueError: \\x1b\[31mred second line",
    ),
    "old-spec": ("TOWPATH_SPEC = 0", "incompatible", "needs spec 0; this platform has 1"),
    "new-spec": ("TOWPATH_SPEC = 2", "incompatible", "needs spec 2"),
    "text-spec": ("TOWPATH_SPEC = '1'", "incompatible", "needs spec '1'"),
    "true-spec": ("TOWPATH_SPEC = True", "incompatible", "needs spec True"),
    "misspelt": (
        HEAD + "@hookimpl\ndef towpath_policy(settings): return []",
        "failed",
        "there is no hook 'towpath_policy'; did you mean towpath_policies\\?",
    ),
    "unlike-any": (
        HEAD + "@hookimpl\ndef frobnicate(): return []",
        "failed",
        "there is no hook 'frobnicate'$",
    ),
    "argument": (
        HEAD + "@hookimpl\ndef towpath_policies(config, more): return []",
        "failed",
        "^towpath_policies has no argument config, more; it has: settings$",
    ),
    "wrapper": (
        HEAD + "@hookimpl(wrapper=True)\ndef towpath_policies():\n    return (yield)",
        "failed",
        "towpath_policies is a wrapper",
    ),
    "no-hooks": ("", "failed", "^it implements no hook$"),
    "undecorated": (
        "def towpath_policies(): return []",
        "failed",
        "implements no hook; towpath_policies lacks the decorator @hookimpl",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_faulty_plugin_is_listed_with_why_and_stops_nobody(site, load, info, name):
    source, state, why = FAULTS[name]
    site.plugin(name, source)
    site.plugin("good", GOOD)

    host = load(name, "good")

    found = info(host, name)
    assert found.state == state
    assert found.distribution == f"acme-{name}"
    assert found.contributions == {}
    assert "\n" not in found.why and len(found.why) < 700
    assert re.search(why, found.why), found.why
    assert info(host, "good").state == "active"
    assert list(host.contributions.policies) == ["open"]


def test_a_good_plugin_is_described_by_its_metadata(site, load, info):
    site.module("acme_good", GOOD)
    site.install(
        "acme-tools",
        {"good": "acme_good"},
        version="2.1",
        metadata="Summary: Rules of Acme.\nProject-URL: Homepage, https://acme.example/p\n",
    )
    found = info(load("good"), "good")
    assert (found.distribution, found.version, found.state) == ("acme-tools", "2.1", "active")
    assert (found.summary, found.homepage) == ("Rules of Acme.", "https://acme.example/p")
    assert (found.spec, found.hooks, found.why) == (1, ("towpath_policies",), None)
    assert found.contributions == {"towpath_policies": 1}
    assert found.failures == 0


def test_a_homepage_that_is_no_web_address_is_not_shown(site, load, info):
    site.module("acme_good", GOOD)
    site.install("acme", {"good": "acme_good"}, metadata="Home-page: javascript:alert(1)\n")
    assert info(load("good"), "good").homepage is None


def test_a_plugin_without_a_stated_spec_is_taken_for_current(site, load, info):
    site.plugin("quiet", GOOD.replace("TOWPATH_SPEC = 1", ""))
    found = info(load("quiet"), "quiet")
    assert (found.state, found.spec) == ("active", None)
    assert SPEC_VERSION == 1


@pytest.mark.parametrize("value", ["acme_object:plugin", "acme_object:holder.plugin"])
def test_an_entry_point_may_name_an_object(site, load, info, value):
    source = """
    class Plugin:
        @hookimpl
        def towpath_policies(self):
            return [Open("from-object")]
    class holder:
        plugin = Plugin()
    plugin = holder.plugin
    """
    site.module("acme_object", GOOD.partition("@hookimpl")[0] + textwrap.dedent(source))
    site.install("acme", {"object": value})
    host = load("object")
    assert list(host.contributions.policies) == ["from-object"]
    assert info(host, "object").spec == 1  # stated by the module


@pytest.mark.parametrize("value", ["acme_good:nothing", "acme_good:None_", "not a path!"])
def test_an_entry_point_that_names_nothing_is_failed(site, load, info, value):
    site.module("acme_good", GOOD + "\nNone_ = None\n")
    site.install("acme", {"odd": value})
    assert info(load("odd"), "odd").state == "failed"


def test_a_missing_extra_makes_a_plugin_unavailable(site, load, info):
    site.plugin("extra", "import acme_not_installed.deep", " [cloud,my-db]")
    found = info(load("extra"), "extra")
    assert found.state == "unavailable"
    assert found.why == "needs acme-extra[cloud,my-db] (no module named 'acme_not_installed')"
    assert found.failures == 0


@pytest.mark.parametrize(
    "source", ["import acme_own.missing", "from towpath_core.hookspecs import not_there"]
)
def test_what_no_extra_would_bring_is_a_failure(site, load, info, source):
    site.plugin("own", source, " [cloud]")
    assert info(load("own"), "own").state == "failed"


@pytest.mark.parametrize("line", ["acme_gate.wait()", "while not acme_gate.is_set(): pass"])
def test_an_import_that_hangs_is_given_up_and_the_others_go_on(site, load, info, line):
    site.plugin("hangs", f"import acme_gate\n{line}")
    site.plugin("good", GOOD)
    for seconds in (0.1, 1.0, 10.0):  # longer where the machine is busy
        host = load("hangs", "good", load_seconds=seconds)
        assert not site.gate.is_set()
        assert info(host, "hangs").why == f"its import did not end within {seconds:g} s"
        if info(host, "good").state == "active":
            break
    assert info(host, "good").state == "active"
    assert [c.outcome for c in host.trace() if c.plugin == "hangs"] == ["timeout"]


def test_a_hanging_import_does_not_hold_up_the_end_of_the_process(site):
    site.plugin("hangs", "import threading\nthreading.Event().wait()")
    code = (
        "from towpath_core.plugins import *\n"
        "host = PluginHost.load(PluginConfig(only=('hangs',), load_seconds=0.1))\n"
        "print([i.state for i in host.describe() if i.name == 'hangs'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        env={"PYTHONPATH": str(site.folder)},
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "['failed']\n", "")


def test_only_and_disabled_choose_what_is_imported(site, load, info):
    for name in ("one", "two"):
        site.plugin(name, GOOD.replace('"open"', f'"{name}"'))
    host = load("one")
    assert list(host.contributions.policies) == ["one"]
    assert info(host, "two").state == "disabled"
    assert "TOWPATH_PLUGINS" in info(host, "two").why
    assert "acme_two" not in sys.modules

    host = load("one", "two", disabled=frozenset({"two"}))
    assert list(host.contributions.policies) == ["one"]
    assert info(host, "two").why == "switched off in the settings"
    with PluginHost.load(PluginConfig(only=())) as host:
        assert host.contributions.policies == {}
        assert info(host, "one").state == "disabled"
    assert "acme_two" not in sys.modules


def test_a_name_in_the_settings_that_nobody_brings_is_shown(site, load, info):
    site.plugin("shop", GOOD)
    host = load("shpo", disabled=frozenset({"gone"}), settings={"shopp": {}})
    assert info(host, "shpo").state == "failed"
    assert info(host, "shpo").why.endswith("no distribution brings it; did you mean shop?")
    assert info(host, "shopp").state == "failed"
    assert info(host, "gone").state == "disabled"
    names = [i.name for i in host.describe()]
    assert names == sorted(names) and {"gone", "shop", "shpo"} < set(names)


@pytest.mark.parametrize(
    ("environ", "only"),
    [
        ({}, None),
        ({"TOWPATH_PLUGINS": ""}, ()),
        ({"TOWPATH_PLUGINS": " git , backstage,"}, ("git", "backstage")),
    ],
)
def test_the_environment_variable(environ, only):
    assert PluginConfig.from_env(environ).only == only


@pytest.mark.parametrize(
    "wrong",
    [
        {"load_seconds": 0},
        {"call_seconds": float("nan")},
        {"threads": -1},
        {"settings": {"git": "root"}},
    ],
)
def test_a_configuration_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(SettingsError):
        PluginConfig(**wrong)


def test_two_distributions_with_one_plugin_name_stop_the_start(site, load):
    site.plugin("twin", GOOD)
    site.module("acme_other", GOOD)
    site.install("acme-other", {"twin": "acme_other"}, version="3.0")
    with pytest.raises(SettingsError) as caught:
        load("twin")
    assert caught.value.code == "settings"
    for part in ("'twin'", "acme_twin of acme-twin 1.0", "acme_other of acme-other 3.0"):
        assert part in str(caught.value)
    assert len(caught.value.problems) == 1


def test_an_object_passed_in_may_not_take_an_installed_name(site, load):
    site.plugin("twin", GOOD)
    with pytest.raises(SettingsError, match=r"in process"):
        load("twin", extra={"twin": SimpleNamespace()})


def test_a_distribution_that_is_twice_on_the_path_is_one(site, load, info, tmp_path, monkeypatch):
    site.plugin("good", GOOD)
    site.install("acme-good", {"good": "acme_good"}, folder=tmp_path / "second")
    monkeypatch.syspath_prepend(str(tmp_path / "second"))
    assert info(load("good"), "good").state == "active"

    twice = [EntryPoint("good", "acme_good", "towpath.plugins") for _ in range(2)]
    with PluginHost.load(entry_points=twice) as host:
        assert [i.state for i in host.describe()] == ["active"]


@pytest.mark.parametrize("name", ["Good", "a b", "1st", "über", "a--b", "a_b"])
def test_a_plugin_name_is_kebab_case(load, info, name):
    found = info(load(extra={name: SimpleNamespace()}), name)
    assert found.state == "failed"
    assert "is not lower-case kebab-case" in found.why


@pytest.mark.parametrize(
    ("content", "listed"),
    [
        (b"[towpath.plugins]\ngarbage\n", True),
        (b"[other]\ngarbage\n", False),
        (b"[towpath.plugins]\n\xff\n", False),
    ],
)
def test_an_unreadable_entry_points_file_stops_nobody(
    site, load, info, tmp_path, monkeypatch, content, listed
):
    site.plugin("good", GOOD)
    site.install("acme-good", {"good": "acme_older"}, version="0.9", folder=tmp_path / "older")
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path / "older")])
    site.install("acme-broken", {})
    (site.folder / "acme_broken-1.0.dist-info" / "entry_points.txt").write_bytes(content)
    host = load("good")
    assert (info(host, "good").state, info(host, "good").version) == ("active", "1.0")
    broken = [i for i in host.describe() if i.distribution == "acme-broken"]
    assert [(i.state, i.version) for i in broken] == [("failed", "1.0")] * listed
    assert all("entry_points.txt cannot be read" in i.why for i in broken)


def test_missing_metadata_stops_nobody(site, load, info):
    site.plugin("good", GOOD)
    (site.folder / "acme_good-1.0.dist-info" / "METADATA").unlink()
    found = info(load("good"), "good")
    assert (found.state, found.version, found.summary) == ("active", None, None)


def test_strict_refuses_to_start_beside_a_failure(site, load):
    site.plugin("bad", "raise ValueError('no')")
    site.plugin("old", "TOWPATH_SPEC = 0")
    site.plugin("good", GOOD)
    site.plugin("extra", "import acme_not_installed", " [cloud]")
    with pytest.raises(PluginError) as caught:
        load("bad", "old", "good", "extra", strict=True)
    assert [p.code for p in caught.value.problems] == ["plugin-failed", "plugin-incompatible"]
    # A missing extra is a regular state: the built-ins come with every installation.
    assert list(load("good", "extra", strict=True).contributions.policies) == ["open"]


def test_objects_passed_in_load_whatever_only_says(load, info):
    class Closed:
        name = "closed"

        def decide(self, request):
            return Allow()

    class Plugin:
        @hookimpl
        def towpath_policies(self):
            yield Closed()

    host = load(extra={"inner": Plugin()})
    found = info(host, "inner")
    assert (found.state, found.distribution, found.version) == ("active", "in process", None)
    assert repr(host.contributions.policies["closed"]) == (
        "Contribution('closed' of inner (in process))"
    )


def test_the_listing_is_ordered_and_the_trace_tells_the_steps(site, load):
    site.plugin("zeta", GOOD.replace('"open"', '"zeta"'))
    site.plugin("alpha", GOOD.replace('"open"', '"alpha"'))
    host = load("zeta", "alpha")
    names = [i.name for i in host.describe()]
    assert names == sorted(names)
    steps = [(c.plugin, c.call, c.outcome) for c in host.trace()]
    assert steps == [
        ("alpha", "import", "ok"),
        ("zeta", "import", "ok"),
        ("alpha", "towpath_policies", "ok"),
        ("zeta", "towpath_policies", "ok"),
    ]
    assert all(c.milliseconds >= 0 and c.at > 1.7e9 and c.detail is None for c in host.trace())


def test_the_real_built_ins_are_found_by_the_same_door():
    with PluginHost.load(PluginConfig(only=())) as host:
        found = {i.name: i for i in host.describe()}
    assert {"backstage", "git", "postgres"} <= set(found)
    assert {found[n].distribution for n in ("backstage", "git", "postgres")} == {"towpath"}
    assert {i.state for i in found.values()} == {"disabled"}
