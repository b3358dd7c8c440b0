"""The long tables of the product: one row per answer, from the ledger or from any CSV."""
