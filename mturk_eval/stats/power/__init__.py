"""How many images and raters a study needs: by formula, and by simulated studies."""
