"""What the operating system is asked for: files put in place, read and locked; folders, flags and terminals."""
