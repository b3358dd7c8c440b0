"""What ratings say of others: metrics against means, and Bjontegaard rates."""
