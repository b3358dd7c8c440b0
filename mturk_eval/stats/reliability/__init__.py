"""How well raters agree: Krippendorff's alpha, intraclass correlations, split halves."""
