"""What this project costs beside what a user would write instead: `make bench` and `make bench-gpu`."""
