"""Model formulas in lme4's syntax: from text and a table to matrices."""
