"""The figures of the pages on statistics, by what they are of."""
