"""Models and the text they can read and write: weights, tokenizer, codec, windows, answers."""
