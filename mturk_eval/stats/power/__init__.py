"""Studies simulated from known effects: how often a design finds them."""
