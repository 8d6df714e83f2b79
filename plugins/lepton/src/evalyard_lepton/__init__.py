"""Runs evaluations on NVIDIA DGX Cloud Lepton."""
