"""Which settings a sweep tries, and the study that remembers them."""
