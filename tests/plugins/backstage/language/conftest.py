"""Two ways to render: in this process, for speed, and through a real child."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from towpath_backstage.language import Nunjucks
from towpath_backstage.language.lexer import Dialect
from towpath_backstage.language.render import Renderer
from towpath_backstage.language.session import Session
from towpath_core.scaffolding import RenderLimits

Render = Callable[..., str]


@pytest.fixture
def render() -> Render:
    """Render a text in this process: template, then variables by name."""

    def run(source: str, dialect: Dialect | None = None, **variables: Any) -> str:
        renderer = Renderer(10_000_000)
        renderer.use(json.dumps(variables))
        return renderer.text(source, dialect or Dialect())

    return run


@pytest.fixture
def value() -> Callable[..., Any]:
    """Render a JSON value in this process: template, then variables by name."""

    def run(template: Any, **variables: Any) -> Any:
        renderer = Renderer(10_000_000)
        renderer.use(json.dumps(variables))
        return renderer.value(template)

    return run


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    """A session for tests that leave it alive."""
    with Nunjucks().open(RenderLimits(cpu_seconds=60, wall_seconds=60.0)) as opened:
        yield opened
