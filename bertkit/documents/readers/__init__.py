"""Documents read as what they are: one file for each format, and a table of them."""
