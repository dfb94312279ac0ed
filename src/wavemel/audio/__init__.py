"""File -> samples: decoding, mixing down, resampling, and saying plainly what is wrong with a file."""
