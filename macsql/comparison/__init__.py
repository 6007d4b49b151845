"""The facts of a comparison: a sweep's trials side by side, and beside published figures."""
