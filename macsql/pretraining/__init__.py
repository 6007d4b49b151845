"""Data to pre-train the built-in model on: random databases, questions to them, examples, and the folder that ships."""
