"""Figures, recordings and the interactive viewer."""
