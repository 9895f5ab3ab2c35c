from __future__ import annotations

import base64
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from towpath_core.errors import SettingsError, TowpathError
from towpath_engine.secrets import Sealer, mask

KEY = bytes(range(32))
SEALER = Sealer(KEY)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None, max_examples=60)
@given(value=json_values, purpose=st.text())
def test_what_is_sealed_opens_again(value, purpose):
    sealed = SEALER.seal(value, purpose)
    assert SEALER.open(sealed, purpose) == value
    assert SEALER.seal(value, purpose) != sealed


@settings(deadline=None, max_examples=80)
@given(data=st.data())
def test_changed_bytes_do_not_open(data):
    sealed = bytearray(SEALER.seal({"a": "canary"}, "p"))
    if data.draw(st.booleans()):
        changed = bytes(sealed[: data.draw(st.integers(0, len(sealed) - 1))])
    else:
        at = data.draw(st.integers(0, len(sealed) - 1))
        sealed[at] ^= data.draw(st.integers(1, 255))
        changed = bytes(sealed)
    with pytest.raises(TowpathError) as caught:
        SEALER.open(changed, "p")
    assert "canary" not in str(caught.value)


def test_a_value_moved_to_another_row_does_not_open():
    sealed = SEALER.seal("x", "bindings.sealed:1")
    with pytest.raises(TowpathError, match="does not open"):
        SEALER.open(sealed, "bindings.sealed:2")


def test_another_key_does_not_open():
    with pytest.raises(TowpathError, match="another key"):
        Sealer(bytes(32)).open(SEALER.seal("x", "p"), "p")


def test_a_sealed_value_does_not_show_the_plain_one():
    assert b"canary" not in SEALER.seal({"password": "canary"}, "p")
    assert "canary" not in repr(SEALER)


def test_derived_keys_differ_by_purpose_and_stay_the_same():
    assert SEALER.derive("a") == Sealer(KEY).derive("a") != SEALER.derive("b")
    assert len(SEALER.derive("a")) == 32


@pytest.mark.parametrize(
    "text",
    [
        "",
        "short",
        base64.urlsafe_b64encode(bytes(31)).decode(),
        base64.urlsafe_b64encode(bytes(33)).decode(),
        # With the two slips taken out this would be a key of 32 bytes.
        "!!" + base64.urlsafe_b64encode(KEY).decode(),
        "schl\u00fcssel",
    ],
)
def test_a_text_that_is_no_key_is_refused_without_showing_it(text):
    with pytest.raises(SettingsError) as caught:
        Sealer.from_text(text)
    assert "TOWPATH_SECRET_KEY" in caught.value.what
    assert not text or text not in str(caught.value)


def test_a_key_is_taken_with_and_without_padding():
    sealed = SEALER.seal(1, "p")
    padded = base64.urlsafe_b64encode(KEY).decode()
    assert Sealer.from_text(padded + "\n").open(sealed, "p") == 1
    assert Sealer.from_text(padded.rstrip("=")).open(sealed, "p") == 1


def test_the_key_file_is_made_once_for_its_owner_alone(tmp_path):
    path = tmp_path / "home" / "secret.key"
    first = Sealer.from_file(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert Sealer.from_file(path).open(first.seal(1, "p"), "p") == 1
    assert [file.name for file in path.parent.iterdir()] == ["secret.key"]


def test_eight_threads_get_one_key(tmp_path):
    path = tmp_path / "secret.key"
    with ThreadPoolExecutor(8) as threads:
        sealers = list(threads.map(Sealer.from_file, [path] * 8))
    assert len({sealer.derive("x") for sealer in sealers}) == 1
    assert [file.name for file in tmp_path.iterdir()] == ["secret.key"]


def test_eight_processes_get_one_key(tmp_path):
    code = (
        "import sys, pathlib; from towpath_engine.secrets import Sealer; sys.stdin.readline();"
        "print(Sealer.from_file(pathlib.Path(sys.argv[1])).derive('x').hex())"
    )
    path = tmp_path / "secret.key"
    command = [sys.executable, "-c", code, str(path)]
    starting = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(8)
    ]
    # All are let go at the same moment, after their imports.
    answers = [process.communicate("go\n")[0] for process in starting]
    assert len(set(answers)) == 1
    assert len(answers[0].strip()) == 64
    assert [file.name for file in tmp_path.iterdir()] == ["secret.key"]


def test_what_a_killed_start_left_is_not_in_the_way(tmp_path):
    import os

    (tmp_path / f"secret.key.{os.getpid()}").write_text("half")
    sealer = Sealer.from_file(tmp_path / "secret.key")
    assert sealer.open(sealer.seal(1, "p"), "p") == 1


@pytest.mark.parametrize("content", [b"", b"not a key", b"\xff\xfe", b"AAAA"])
def test_a_spoilt_key_file_is_named(tmp_path, content):
    path = tmp_path / "secret.key"
    path.write_bytes(content)
    with pytest.raises(SettingsError) as caught:
        Sealer.from_file(path)
    assert str(path) in str(caught.value)


def test_a_folder_that_cannot_be_used_is_named(tmp_path):
    (tmp_path / "home").write_text("a file")
    with pytest.raises(SettingsError, match="home"):
        Sealer.from_file(tmp_path / "home" / "secret.key")


letters = st.text("abcAB", max_size=8)


@settings(deadline=None, max_examples=100)
@given(parts=st.lists(letters, max_size=5), secrets=st.lists(letters, max_size=4))
def test_no_secret_is_left_in_a_masked_text(parts, secrets):
    text = "".join(part + secret for part, secret in zip(parts, secrets, strict=False))
    masked = mask(text, secrets)
    assert not any(secret in masked for secret in secrets if len(secret) >= 4)


def test_masking_takes_the_longest_first_and_leaves_short_ones():
    assert mask("token-1234 and token", ["token", "token-1234"]) == "*** and ***"
    assert mask("yes", ["yes", ""]) == "yes"


def test_each_line_of_a_long_secret_is_one():
    key = "-----BEGIN KEY-----\nMIIEvQIBADAN\n  Bgkqhki\n-----END KEY-----"
    assert mask("found MIIEvQIBADAN in it, and Bgkqhki", [key]) == "found *** in it, and ***"
