"""The three agents end to end: who sits where, what each reads and writes, and what becomes of a question."""
