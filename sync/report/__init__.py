"""What a run leaves behind for people: the rejects file, the report, and its record."""
