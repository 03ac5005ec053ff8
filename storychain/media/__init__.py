"""The one door to ffmpeg and PyAV: look at videos, prepare segments, join them into a film.

Nothing is imported here, because PyAV costs time that `storychain --help` does not have: take what you need from
`tool` (find and run ffmpeg), `probe` (what is in a file), `prepare` (a segment made ready to be joined) and `film`
(the joining). Nothing in this room knows stories, keys, credits or the network.
"""
