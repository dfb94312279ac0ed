"""Many files: finding them, classifying them in processes, and a store that loses nothing."""
