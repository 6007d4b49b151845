"""Which points a sweep tries, and who keeps track of them."""
