from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from towpath_backstage.language.faults import TemplateFault
from towpath_backstage.language.render import Renderer
from towpath_backstage.language.session import Session
from towpath_core.errors import Invalid

pytestmark = pytest.mark.corpus

# Cases that nunjucks renders, and cases that it refuses; ours does the same in every one.
ROUNDS = {"a": Counter(same=3730, refused=10), "b": Counter(same=3705, refused=35)}
SAMPLE = 50


def recorded(corpus: Path, name: str) -> list[dict[str, Any]]:
    file = corpus / "template-language" / f"cases-{name}.jsonl.gz"
    with gzip.open(file, "rt", encoding="utf-8", newline="") as lines:
        return [json.loads(line) for line in lines]


@pytest.mark.parametrize("name", ROUNDS)
def test_real_templates_render_as_nunjucks_renders_them(corpus: Path, name: str) -> None:
    renderer = Renderer(100_000_000)
    outcomes: Counter[str] = Counter()
    for case in recorded(corpus, name):
        renderer.use(json.dumps(case["ctx"]))
        try:
            rendered = renderer.text(case["src"])
        except TemplateFault:
            outcomes["refused" if case["out"] is None else "failed"] += 1
        else:
            outcomes["same" if rendered == case["out"] else "different"] += 1
    assert outcomes == ROUNDS[name]


def test_the_child_process_answers_the_same(corpus: Path, session: Session) -> None:
    wrong = []
    for case in recorded(corpus, "a")[::SAMPLE]:
        try:
            rendered: str | None = session.text(case["src"], case["ctx"])
        except Invalid:
            rendered = None
        if rendered != case["out"]:
            wrong.append(case["src"])
    assert wrong == []
