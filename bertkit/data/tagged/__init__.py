"""Everything about entities: tagged files, schemes, places in a text, and what annotation tools write."""
