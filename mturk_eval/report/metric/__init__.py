"""Figures of a learned metric: scores, scores by rate, weights, and where two pictures differ."""
