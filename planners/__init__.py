"""Search and optimisation over any dynamics: knows no world and no network."""
