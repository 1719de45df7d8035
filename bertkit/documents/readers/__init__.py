"""Documents read as what they are: a reader for each format, and a table of them."""
