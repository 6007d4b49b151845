"""What the CPU calls itself."""

import contextlib
import platform
from pathlib import Path


def processor() -> str:
    """The CPU's name, or its architecture where it has none."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
