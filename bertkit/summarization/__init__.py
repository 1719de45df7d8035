"""Summaries of documents: sentences chosen by several methods, or text that a model writes."""
