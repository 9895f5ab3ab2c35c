"""Which texts are URLs, and which of them run what stands in them. Node agrees on more of them."""

from __future__ import annotations

import time

import pytest

from towpath_core.weburl import is_url, runs_script

GOOD = [
    "https://example.com/a?b=c#d",
    "http:example.com",
    "HTTP://EXAMPLE.COM:65535",
    " http://a ",
    "ht\ntp://a",
    "http://u:p@h:1/x",
    "http://1.2.3.4",
    "http://0x7f.1",
    "http://[::1]:8",
    "http://a%41",
    "file:///etc/hosts",
    "file:",
    "mailto:a@b",
    "x://",
    "slack://channel?x=1",
    "about:blank",
    "javascript:alert(1)",
]
BAD = [
    "",
    "/a",
    "//a.b",
    "a.b",
    "1a:b",
    "http://",
    "https://a b",
    "http://a:65536",
    "http://a:x",
    "http://256.1.1.1",
    "http://1.2.3.4.5",
    "http://[::1",
    "http://a%00",
    "http://u@",
    "x://a b",
    "file://h:1/a",
    "http://" + "9" * 5000,
]


@pytest.mark.parametrize("text", GOOD)
def test_what_a_browser_takes(text: str) -> None:
    assert is_url(text)


@pytest.mark.parametrize("text", BAD)
def test_what_a_browser_refuses(text: str) -> None:
    assert not is_url(text)


@pytest.mark.parametrize(
    "text",
    ["javascript:x", " JavaScript:x", "java\nscript:x", "\x01data:,x", "vbscript:x", "data:x"],
)
def test_what_runs_when_it_is_followed(text: str) -> None:
    assert is_url(text)
    assert runs_script(text)


@pytest.mark.parametrize("text", ["https://a/javascript:x", "javascripts:x", "x", ""])
def test_what_does_not(text: str) -> None:
    assert not runs_script(text)


@pytest.mark.parametrize(
    "text", ["https://" + "a." * 500_000, "x:" * 500_000, "http:" + "/" * 10**6]
)
def test_long_texts_are_answered_soon(text: str) -> None:
    begin = time.process_time()
    is_url(text)
    runs_script(text)
    assert time.process_time() - begin < 0.25
