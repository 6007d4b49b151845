"""How a model's tokens spell an answer, read as they are written, and which of them may come next."""
