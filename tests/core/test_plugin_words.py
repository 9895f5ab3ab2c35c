"""What plugins say is made fit to show: one short line, printable, without secrets."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from towpath_core.plugins.words import describe_error, line_of, mask_for, nearest, shown


@given(st.text(max_size=3000) | st.text("\x00\x1b\n\ud800é", max_size=600))
@settings(deadline=None, max_examples=200)
def test_a_line_is_one_short_printable_line_that_can_be_sent(text):
    line = line_of(text)
    assert line.isprintable() or line == ""
    assert len(line) <= 503
    assert msgspec.json.encode(line)


def test_ordinary_text_stays_as_it_is():
    assert line_of("Größe: 5 µm, 日本") == "Größe: 5 µm, 日本"
    assert line_of("a\n  b\tc") == "a b c"
    assert line_of("\x1b[31m\x00") == r"\x1b[31m\x00"
    assert line_of("x" * 20, 10) == "x" * 10 + "..."


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("short", "'short'"),
        ("x" * 81, "a value of type str"),
        (None, "None"),
        (True, "True"),
        (5, "a value of type int"),
        ({}, "a value of type dict"),
    ],
)
def test_values_are_named_without_their_repr(value, text):
    assert shown(value) == text


SECRETS = st.text("XYZ'\"\\\n\té", min_size=3, max_size=30)
AROUND = st.text("abc ./", max_size=20)


@given(SECRETS, AROUND, AROUND)
@settings(deadline=None, max_examples=200)
def test_a_secret_is_nowhere_in_a_text_or_in_the_repr_of_one(secret, before, after):
    mask = mask_for({"outer": [{"db_password": secret}]})
    assert mask(f"{before}{secret}{after}") == f"{before}***{after}"
    assert not set("XYZé") & set(mask(f"{before}{secret!r}{after}"))


@pytest.mark.parametrize(
    "key", ["password", "API_KEY", "api-key", "authToken", "client_secret", "credentials", "dsn"]
)
def test_keys_that_sound_like_a_secret(key):
    assert mask_for({key: "hunter2"})("it is hunter2.") == "it is ***."
    assert mask_for({"x": {key: {"deep": ["hunter2"]}}})("hunter2") == "***"


def test_what_is_no_secret_stays_readable():
    mask = mask_for({"root": "/srv/data", "monkey": "george", "token": "", "n": 5, "key": "ab"})
    assert mask("no /srv/data for george, 5 times, ab") == "no /srv/data for george, 5 times, ab"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("https://ann:pw@acme.example/x", "https://***@acme.example/x"),
        ("https://ghp_123@acme.example/x", "https://***@acme.example/x"),
        ("postgres://u:p@ss:w@rd@db/x", "postgres://***@db/x"),
        ("https://acme.example/@scope", "https://acme.example/@scope"),
    ],
)
def test_user_information_of_addresses_is_hidden_always(text, masked):
    assert mask_for({})(f"cannot reach {text}.") == f"cannot reach {masked}."


def test_the_password_of_an_address_is_hidden_also_alone():
    assert mask_for({"url": "db://app:hunter2@h/x"})("wrong password hunter2") == (
        "wrong password ***"
    )


def test_a_secret_that_is_cut_leaves_no_rest():
    secret = "s3cret-" * 300
    mask = mask_for({"private": secret})
    assert "s3cret" not in describe_error(ValueError("x" * 480 + secret), mask)


class Liar(Exception):
    @property
    def __class__(self):
        raise SystemExit

    @property
    def __traceback__(self):
        raise SystemExit

    def __str__(self):
        class Text(str):
            def __format__(self, spec):
                raise SystemExit

            def split(self, *args):
                raise SystemExit

        return Text("told")


def test_an_error_that_lies_about_itself_is_described():
    try:
        raise Liar
    except BaseException as error:
        assert describe_error(error).startswith("Liar: told (at ")


@pytest.mark.parametrize(
    ("name", "hint"),
    [("towpath_policys", "; did you mean towpath_policies?"), ("x", "")],
)
def test_the_nearest_name_is_suggested(name, hint):
    assert nearest(name, ["towpath_policies", "towpath_actions"]) == hint
