"""Public data sets brought onto this disk: whole archives, or a slice of one, checked while they come."""
