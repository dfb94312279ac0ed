"""The command line: one module per command, each thin over the stage that does the work."""
