"""Runs evaluations as jobs of a Grid Engine cluster."""
