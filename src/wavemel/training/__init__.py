"""From an experiment's description to a run folder with trained weights."""
