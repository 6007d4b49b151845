"""Charts as inline SVG: text that needs no script, no font file and no network."""
