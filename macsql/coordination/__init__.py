"""Running a sweep's trials to their end: one coordinator, and what stands round it."""
