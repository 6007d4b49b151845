"""MAC-SQL's three agents, one file each: what it reads, what it should answer, how its answer is read and applied."""
