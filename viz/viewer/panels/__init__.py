"""The panels around the map: each draws itself into its rectangle from what is known at the world step shown.

| file | draws |
|---|---|
| ``levels`` | a row per level: planner, stride, horizon, energy, age of the plan, gap between imagined and actual |
| ``energy`` | the energy by term over world time, and over the planner's rounds |
| ``tree`` | the tree of a Monte-Carlo search |
| ``latent`` | landmarks and the plan in the plane of the latent state's principal components |
| ``compare`` | two configurations side by side |
| ``inspector`` | what is under the pointer |
| ``timeline`` | plans, marks, gaps, and the planner's rounds, over time |
| ``overlay`` | what lies on top: menus, tooltip, banner, the table of keys |
| ``history`` | what a level had in mind over a whole recording, as arrays |
"""
