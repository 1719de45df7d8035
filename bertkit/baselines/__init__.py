"""Simple answers that a model's scores stand beside, fitted on the model's own training rows."""
