"""Levels that see: an H-JEPA over frames, which carries over to layouts that it has never seen.

A frame becomes a feature map; from it every level takes two things of its own: a *layout*, what of the map stays as it
is during an episode, and a *state*, what moves. Predictors are told the layout only where the state is, so that nothing
they learn depends on where in a picture it happened.
"""
