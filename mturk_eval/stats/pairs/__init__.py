"""Votes between pairs: Bradley-Terry, Thurstone, rater reliability, tournaments, Elo."""
