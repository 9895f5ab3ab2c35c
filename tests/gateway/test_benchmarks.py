"""The benchmark's own parts: its catalog is the same each time, its gate sees what got worse."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

BENCH = Path(__file__).resolve().parents[2] / "tools" / "bench"
sys.path.insert(0, str(BENCH))

import generate  # noqa: E402
import measures  # noqa: E402


def test_a_catalog_is_the_same_for_its_size_and_seed(tmp_path: Path) -> None:
    for name in ("one", "two"):
        generate.write(1200, tmp_path / name)
    generate.write(1200, tmp_path / "other", seed=8)
    texts = {
        name: {file.name: file.read_text() for file in (tmp_path / name).iterdir()}
        for name in ("one", "two", "other")
    }
    assert texts["one"] == texts["two"]
    assert texts["one"].keys() == texts["other"].keys()
    assert texts["one"] != texts["other"]


def test_what_is_written_is_what_was_made(tmp_path: Path) -> None:
    catalog = generate.write(1200, tmp_path)
    root = yaml.safe_load((tmp_path / "all.yaml").read_text())
    read = []
    for target in root["spec"]["targets"]:
        documents = list(yaml.safe_load_all((tmp_path / target).read_text()))
        assert len(documents) <= generate.DOCUMENTS_A_FILE
        read += documents
    assert read == list(generate.Catalog(1200, 7).documents())
    assert len(read) == 1200 == sum(map(len, catalog.names.values()))
    refs = {(one["kind"], one["metadata"]["name"]) for one in read}
    assert len(refs) == 1200
    assert sum(kind == "Component" for kind, _ in refs) == 660
    assert sum(kind == "API" for kind, _ in refs) == 240
    single = yaml.safe_load((tmp_path / "single.yaml").read_text())
    assert ("Component", single["metadata"]["name"]) not in refs


def run_of(cpu: float, rate: float, errors: int = 0) -> dict[str, object]:
    read = {"cpu_ratio": cpu, "rate_ratio": rate, "errors": errors}
    return {"sizes": {"1000": {"reads": {"by-name": read, "facets": copy.copy(read)}}}}


@pytest.mark.parametrize(
    ("found", "by", "status", "says"),
    [
        (run_of(0.5, 0.5), "cpu", 0, ""),
        (run_of(0.36, 0.1), "cpu", 0, ""),
        (run_of(0.34, 0.5), "cpu", 1, "1000 by-name: 34.0% of the floor, was 50.0%"),
        (run_of(0.5, 0.34), "rate", 1, "was 50.0%"),
        (run_of(0.5, 0.5, errors=3), "cpu", 1, "3 requests failed"),
        ({"sizes": {"77": {"reads": {}}}}, "cpu", 2, "none of the sizes 77"),
    ],
    ids=["same", "a bit worse", "worse", "slower", "errors", "unknown size"],
)
def test_the_gate_fails_on_what_is_worse_than_the_baseline(
    tmp_path: Path, found: dict[str, object], by: str, status: int, says: str
) -> None:
    gate = [sys.executable, str(BENCH / "gate.py"), "--baseline", str(tmp_path / "base.json")]
    for name, run in (("before", run_of(0.5, 0.5)), ("after", found)):
        (tmp_path / name).write_text(json.dumps(run))
    subprocess.run([*gate, str(tmp_path / "before"), "--accept"], check=True)
    done = subprocess.run(
        [*gate, str(tmp_path / "after"), "--by", by], capture_output=True, text=True
    )
    assert done.returncode == status, done.stderr
    assert says in done.stderr


def test_the_stall_of_readers_is_what_they_wait_longer_than_usual() -> None:
    quiet = [measures.Read(began, took, number) for began in range(4) for took, number in QUIET]
    reads = [*quiet, measures.Read(10.01, 0.05, 0), measures.Read(10.02, 0.15, 1)]
    found = measures._addition(reads, [(10.0, 10.1), (20.0, 20.1)], quiet_end=5.0, cpu=1.0)
    assert found.stall_most == pytest.approx(0.049)  # not that of 1, which always takes longer
    assert found.stall == pytest.approx(0.0245)  # nobody read beside the second
    assert found.gateway_cpu == 0.5


QUIET = ((0.001, 0), (0.149, 1))


def test_the_baseline_knows_reads_that_are_measured() -> None:
    from cases import GOALS

    baseline = json.loads((BENCH / "baseline.json").read_text())
    assert {"1000", "10000"} <= baseline.keys()
    for reads in baseline.values():
        assert reads.keys() >= GOALS.keys()
        assert all(0 < ratio < 2 for read in reads.values() for ratio in read.values())
