"""Official scores: the exact rules of Spider and BIRD, and the file formats of their scripts."""
