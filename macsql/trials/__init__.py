"""The trial's folder: its layout (folder.py), what is written into it, and the process that works in it."""
