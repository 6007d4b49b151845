"""One fine-tune: arguments, trainer, loss and mixture."""
