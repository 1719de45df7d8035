"""Prediction by the actors of a Ray cluster (`predict --ray`)."""
