"""Raters made of numbers, who take HITs through the same HTTP a browser uses."""
