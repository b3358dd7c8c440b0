"""Linear mixed models of ratings with crossed random effects."""
