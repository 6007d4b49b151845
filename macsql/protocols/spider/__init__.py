"""Spider's official scores: exact match (em), execution match (ex), hardness."""
