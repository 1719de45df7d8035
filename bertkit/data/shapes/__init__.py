"""What the rows of a table are made into: its shapes, and a table of them."""
