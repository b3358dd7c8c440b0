"""Cumulative-link mixed models: ratings as ordered categories."""
