"""Questions with gold SQL become the agents' examples: sub-questions, corrupted queries, all of it run first."""
