"""From bytes to rows: what an input is, and a reader for each kind of it, for files and streams alike."""
