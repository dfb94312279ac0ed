"""Genre tags and playlists out of results: what to write, writing it safely, taking it back.

results -> plan -> changes -> apply (with a journal) -> undo. No module here
knows the classifier: a `Verdict` a file is all it is told.
"""
