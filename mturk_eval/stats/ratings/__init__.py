"""Ratings described: means, differences to the original, spread, raters' bias and inconsistency."""
