"""Floor 3, experiment: checks, samples, isolates. Every configuration ends as a Result."""
