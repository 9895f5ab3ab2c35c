"""Whether a text is a URL that a browser would take: the rules of the WHATWG, without fetching.

Only the question is answered; nothing is rewritten. What runs script when somebody follows it is
told apart, because it is a URL and still must not be shown as a link.
"""

from __future__ import annotations

import ipaddress
import re

__all__ = ("is_url", "runs_script")

_PLAIN = re.compile(
    r"https?://(?>(?:[A-Za-z0-9-]+\.)*)[A-Za-z][A-Za-z0-9-]*+(?::[0-9]{1,4})?(?:[/?#][!-~]*+)?"
)
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_SPECIAL = frozenset({"http", "https", "ftp", "ws", "wss"})
_AUTHORITY_END = re.compile(r"[/?#]")
_SPECIAL_END = re.compile(r"[/\\?#]")
_PORT = re.compile(r"[0-9]*")
_OPAQUE_FORBIDDEN = re.compile(r"[\x00\t\n\r #/<>?@\[\\\]^|]")
_FORBIDDEN = re.compile(r"[\x00-\x20#%/:<>?@\[\\\]^|\x7f]")
_PERCENT = re.compile(r"%([0-9A-Fa-f]{2})")
_NUMBER = re.compile(r"0[xX][0-9A-Fa-f]*|[0-9]+")
_DROPPED = str.maketrans("", "", "\t\n\r")
_C0_AND_SPACE = "".join(map(chr, range(0x21)))
_ACTIVE = frozenset({"javascript", "vbscript", "data"})
_MAX_PORT = 65535


def is_url(text: str) -> bool:
    """Whether a browser takes a text for an absolute URL. Linear in its length."""
    if _PLAIN.fullmatch(text):
        return True
    text = _cleaned(text)
    found = _SCHEME.match(text)
    if found is None:
        return False
    scheme, rest = found[1].lower(), text[found.end() :]
    if scheme in _SPECIAL:
        authority = _SPECIAL_END.split(rest.lstrip("/\\"), maxsplit=1)[0]
        return _is_authority(authority, special=True)
    if scheme == "file":
        slashes = len(rest) - len(rest.lstrip("/\\"))
        host = _SPECIAL_END.split(rest[2:], maxsplit=1)[0] if slashes >= 2 else ""
        drive = len(host) == 2 and host[0].isalpha() and host[1] in ":|"
        return not host or drive or _is_host(host)
    if not rest.startswith("//"):
        return True
    return _is_authority(_AUTHORITY_END.split(rest[2:], maxsplit=1)[0], special=False)


def runs_script(text: str) -> bool:
    """Whether following a URL would run what stands in it."""
    found = _SCHEME.match(_cleaned(text))
    return found is not None and found[1].lower() in _ACTIVE


def _cleaned(text: str) -> str:
    """What a browser reads: without spaces around it and line breaks in it."""
    return text.strip(_C0_AND_SPACE).translate(_DROPPED)


def _is_authority(authority: str, *, special: bool) -> bool:
    _, at, address = authority.rpartition("@")
    if address.startswith("["):
        host, bracket, port = address[1:].partition("]")
        if not bracket or not _is_ipv6(host) or (port and port[0] != ":"):
            return False
        port = port[1:]
    else:
        host, _, port = address.partition(":")
        if not host:
            # Only a scheme of its own kind may go without, and then has neither user nor port.
            return not special and not at and ":" not in address
        if not (_is_host(host) if special else not _OPAQUE_FORBIDDEN.search(host)):
            return False
    return (
        bool(_PORT.fullmatch(port)) and len(port.lstrip("0")) <= 5 and int(port or 0) <= _MAX_PORT
    )


def _is_host(host: str) -> bool:
    if host.startswith("["):
        return host.endswith("]") and _is_ipv6(host[1:-1])
    decoded = _PERCENT.sub(lambda found: chr(int(found[1], 16)), host)
    if _FORBIDDEN.search(decoded):
        return False
    labels = decoded.removesuffix(".").split(".")
    if not _NUMBER.fullmatch(labels[-1]):
        return True
    return _is_ipv4(labels)


def _is_ipv4(labels: list[str]) -> bool:
    """Whether labels, the last of which is a number, are an address in one of its old forms."""
    if len(labels) > 4 or not all(_NUMBER.fullmatch(label) for label in labels):
        return False
    try:
        numbers = [_number(label) for label in labels]
    except ValueError:
        return False
    return all(number < 256 for number in numbers[:-1]) and numbers[-1] < 256 ** (5 - len(labels))


def _number(label: str) -> int:
    if len(label) > 40:
        raise ValueError(label)
    if label[:2].lower() == "0x":
        return int(label[2:] or "0", 16)
    return int(label, 8) if len(label) > 1 and label[0] == "0" else int(label)


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return "%" not in text
