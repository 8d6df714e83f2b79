"""The executor of Slurm clusters: from a login node itself, or over ssh."""
