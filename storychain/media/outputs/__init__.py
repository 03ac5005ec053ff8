"""What is made on top of a film and beside it: captions, cards, stills, other formats. Every file whole or absent.

Nothing is imported here, because PyAV and Pillow cost time: take what you need from `subtitles` (captions as text and
as a track), `overlays` (pictures laid over the film), `poster` and `sheet` (stills out of it), `masters` (the film in
another shape, or small), `teaser` (a moving picture), `streaming` (a folder to stream from) and `names` (what they
are called). Nothing here knows stories; all of it works on one finished film or on words.
"""
