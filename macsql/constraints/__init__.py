"""What an answer may be: acceptors that read it one character at a time, and the choice among beams by execution."""
