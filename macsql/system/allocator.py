"""How the C library of Linux (glibc) hands out memory to a process that trains.

Each step needs the same large blocks as the step before. By default glibc gives blocks of more than 32 MiB back to the
system as soon as they are free, and the kernel fills new ones with zeros, page by page of 4 KiB. These settings keep
freed memory for the next step and ask for large pages. They are read when a process starts. Peak memory stays as it
was; only memory that is free is not given back before the process ends. Other C libraries do not read them.
Source: "Memory Allocation Tunables" in the manual of the GNU C library.
"""

from collections.abc import Mapping

VARIABLE = "GLIBC_TUNABLES"
GIB = 2**30
REUSE = f"glibc.malloc.hugetlb=1:glibc.malloc.mmap_threshold={4 * GIB}:glibc.malloc.trim_threshold={8 * GIB}"


def reusing(variables: Mapping[str, str]) -> dict[str, str]:
    """The variable that makes a new process reuse its memory; what the user has set in `variables` stays as it is."""
    return {VARIABLE: variables.get(VARIABLE, REUSE)}
