"""From image files to stimuli: preparation for display, matching of files, hosting."""
