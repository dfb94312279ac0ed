"""Features -> logits: each network is one file and one frozen config, found through the registry."""
