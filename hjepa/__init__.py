"""Hierarchical joint-embedding predictive architectures: the model, what it minimises, the agent, training."""
