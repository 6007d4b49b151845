"""How good the answers are: one file a family, pure functions first; `score` puts them together."""
