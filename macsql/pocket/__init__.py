"""What the built-in model is made of: its tokenizer of words, and first weights that look where copying looks."""
