"""Bootstrap and jackknife over raters, images, or both."""
