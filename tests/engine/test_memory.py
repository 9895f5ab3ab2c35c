from __future__ import annotations

import subprocess
import sys

import pytest

CODE = """
import threading
from towpath_engine.memory import give_back, use_few_arenas

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096

use_few_arenas()
before = resident()

def hold():
    many = [bytes(1000 + n % 5000) for n in range(20_000)]
    kept.append(many[::500])

kept = []
threads = [threading.Thread(target=hold) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
held = resident()
give_back()
print(before, held, resident())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="it is for glibc")
def test_what_was_freed_is_given_back():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, timeout=120)
    assert done.stderr == ""
    before, held, after = map(int, done.stdout.split())
    assert held - before > 20_000_000
    assert after - before < (held - before) / 2


GARBAGE = """
import gc
from towpath_engine.memory import look_for_garbage, spare_garbage

class Ring:
    gone = 0
    def __init__(self):
        self.me = self
    def __del__(self):
        Ring.gone += 1

spare_garbage()
for _ in range(100_000):
    Ring()
before = Ring.gone
look_for_garbage()
for _ in range(100_000):
    Ring()
print(before, Ring.gone, gc.get_freeze_count())
"""


def test_garbage_is_looked_for_from_the_moment_on_that_says_so():
    command = [sys.executable, "-c", GARBAGE]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    before, after, frozen = map(int, done.stdout.split())
    assert before == 0
    assert 50_000 < after <= 100_000  # what was there before is left alone
    assert frozen >= 100_000
