"""Memory that was freed is given back, and waits little before that."""

import platform
import subprocess
import sys

import pytest

_CHOSEN = """
from sync.cli import _keep_little_memory
_keep_little_memory()
import pyarrow as pa
pa.array(["a text"])
print(pa.default_memory_pool().backend_name)
"""
# In a process of its own, whose heap is not full of other tests' holes.
_SCRIPT = """
import os
from pathlib import Path
from sync.memory import give_back

def resident():
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")

pieces = [bytes(20_000) for _ in range(5_000)]
pins = [bytes(600) for _ in range(100)]  # behind them, so that the heap can't shrink
del pieces
before = resident()
give_back()
print(before - resident())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc keeps so much")
def test_what_was_freed_is_given_back() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT], check=True, capture_output=True, text=True
    )
    assert int(done.stdout) > 50_000_000


def test_arrow_has_the_chosen_allocator_and_complains_of_nothing() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _CHOSEN], check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() in {"jemalloc", "system"}
    assert not done.stderr


def test_nothing_is_looked_for_when_the_program_ends() -> None:
    ended = """
import gc, sys
from sync.cli import main
sys.argv = ["contact-sync", "--version"]
try:
    main()
finally:
    print(gc.get_freeze_count() > 0)
"""
    said = subprocess.run([sys.executable, "-c", ended], capture_output=True, text=True, check=True)
    assert said.stdout.splitlines()[-1] == "True"
