"""Runs evalyard evaluations on ... REPLACE."""
