"""A trial's process reuses the memory that it has freed."""

import platform
import subprocess
import sys
from pathlib import Path

import pytest

from macsql.executors.supervise import Task, environment
from macsql.system.allocator import VARIABLE, reusing

BLOCKS = """
import resource
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
bytearray(2**26)
before = faults()
for _ in range(10):
    bytearray(2**26)[-1] = 1
print(faults() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the settings are glibc's")
def test_a_trial_asks_the_kernel_once_for_the_block_that_each_step_needs():
    asked = environment(Task(Path(), Path(), threads=1))
    before = {name: value for name, value in asked.items() if name != VARIABLE}

    def faults(variables):
        done = subprocess.run(
            [sys.executable, "-c", BLOCKS], env=variables, capture_output=True, text=True, check=True, timeout=60
        )
        return int(done.stdout)

    assert faults(asked) < 1_000
    assert faults(before) > 20_000, "the C library does so by itself: these settings are needless"


def test_what_the_user_has_set_stays():
    assert reusing({VARIABLE: "glibc.malloc.check=3"}) == {VARIABLE: "glibc.malloc.check=3"}
    assert VARIABLE in reusing({})
