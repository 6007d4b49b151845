"""A trial's folder: how it is laid out, who may work in it, what it tells on the way and how it ended."""
