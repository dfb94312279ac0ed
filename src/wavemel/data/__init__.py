"""Where clips come from: tables, sources, the scan, splits and the cache of decoded clips."""
