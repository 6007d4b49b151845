"""How a network writes: the loop of greedy decoding, and attention for it on a CPU."""
