"""Trials to pages and question XML; submitted answers to responses."""
