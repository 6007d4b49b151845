"""A comparison made readable: on the terminal, as Markdown, as one HTML page, as CSV."""
