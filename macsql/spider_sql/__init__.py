"""Spider's SQL: the grammar that its evaluator reads, and SQL of any habit rewritten within it."""
