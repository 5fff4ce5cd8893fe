"""Floor 4, record: results on disk, one at a time, with the environment they were measured in."""
