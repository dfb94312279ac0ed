"""Results -> tables and figures that people read."""
