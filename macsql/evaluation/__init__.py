"""The pipeline on a benchmark: who is asked, how the answers are scored, and what each agent is worth."""
