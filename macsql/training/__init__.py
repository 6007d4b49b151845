"""One fine-tune, from questions to scored predictions."""
