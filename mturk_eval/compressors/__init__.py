"""Compressors of the papers behind this project, as sources of stimuli."""
