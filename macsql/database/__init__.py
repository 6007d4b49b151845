"""What a database is, and how SQL that a model wrote is run on it."""
