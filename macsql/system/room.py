"""How much memory and disk are free."""

import shutil
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")


def free_memory(group: Path = CGROUP) -> int:
    """Bytes that processes can still take: of the machine, and no more than a container's limit leaves."""
    import psutil

    free = int(psutil.virtual_memory().available)
    try:
        limit, used = (int((group / name).read_text(encoding="utf-8")) for name in ("memory.max", "memory.current"))
        told = dict(line.split() for line in (group / "memory.stat").read_text(encoding="utf-8").splitlines())
        return min(free, limit - used + int(told.get("inactive_file", 0)))  # files in memory give way
    except (OSError, ValueError):  # no such files, or "max": no limit
        return free


def all_memory(group: Path = CGROUP) -> int:
    """Bytes that the machine has, or that a container's limit leaves of them, whoever has taken some."""
    import psutil

    here = int(psutil.virtual_memory().total)
    try:
        return min(here, int((group / "memory.max").read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return here


def free_disk(path: Path) -> int:
    """Bytes that are free where a path is, or will be."""
    there = path.absolute()
    while not there.exists():
        there = there.parent
    return shutil.disk_usage(there).free
