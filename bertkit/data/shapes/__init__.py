"""What the rows of a table are made into, one file for each shape."""
