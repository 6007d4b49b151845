"""Training that can be compared bit by bit."""

import pytest
import torch


@pytest.fixture(autouse=True)
def one_thread():
    """Bit-exact comparisons need it, and tiny models are no faster on two."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
