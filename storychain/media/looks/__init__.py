"""How segments look and sound, and what happens where two meet: measured, put into words, and drawn.

Nothing is imported here, because PyAV and Pillow cost time. Take what you need from `seams` (a seam's measures),
`segments` (one segment's), `ending` (may the next scene continue from this one?), `matching` (meeting the colours of
the segment before), `limits` (from measures to findings in words), `seam_picture` and `drift` (to look at).

Everything here reads prepared files (see `media.prepare`) and judges; nothing is cut, encoded or decided, and nothing
here knows stories, keys, credits or the network.
"""
