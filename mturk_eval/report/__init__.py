"""Results for people: models run on tidy tables, text tables, figures, and one HTML file."""
