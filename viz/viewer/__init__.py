"""The interactive viewer: watch several levels plan, and take hold of the plan.

| file | holds |
|---|---|
| ``document`` | what a person can edit: the map, zones, start, goal, pins, who plans; immutable |
| ``messages`` | what the viewer asks of a session, and what a session reports |
| ``recording`` | everything that happened, by world step |
| ``model`` | all that is known: the recordings, fields and notices, as reported so far |
| ``state`` | where the person looks: play head, layers, tools, camera; a pure reducer |
| ``actions``, ``events``, ``keys``, ``pointer`` | from what a hand does to what it means |
| ``layout``, ``controls`` | where everything is on the screen, and what can be clicked |
| ``frame``, ``panels``, ``layers`` | the whole window, what is around the maps, and what is on them |
| ``widgets``, ``icons``, ``names`` | what panels are drawn with, and what planners are called |
| ``ground``, ``paint``, ``raster``, ``stamps``, ``lettering`` | walls and fields; strokes, markers and text as pixels |
| ``session``, ``runner``, ``driver`` | requests to reports: episodes on documents that change, and who drives them |
| ``world``, ``agents``, ``watch``, ``fields`` | what they use: the ball's world, agents by name, surprises, heat maps |
| ``worker`` | a session in a process of its own |
| ``storage``, ``packing`` | recordings and scenes as files |
| ``replay``, ``share`` | a page that replays in a browser; pictures and films |
| ``app``, ``preferences`` | the window, and the layout that it remembers |
"""
