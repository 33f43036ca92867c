"""The questions that the simulated files answer, and those that they do not."""
