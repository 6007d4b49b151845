"""Memory that is no longer used goes back to the machine."""

import platform

import pytest

from macsql.system.room import give_back, held_memory

PIECE, PIECES = 100_000, 3_000  # bytes; too small for the C library to ask the system for each by itself


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_what_lies_in_pieces_is_given_back():
    pieces = [bytearray(b"x" * PIECE) for _ in range(PIECES)]
    full = held_memory()
    kept = pieces[::100]  # so that no end of the heap is free as a whole
    del pieces
    give_back()
    assert full - held_memory() > PIECE * PIECES / 2
    assert len(kept) == PIECES / 100
