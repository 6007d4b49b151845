"""Trials side by side, and beside published figures."""
