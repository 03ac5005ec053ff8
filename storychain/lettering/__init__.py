"""Words as pictures: the fonts that come along, lines of type, captions and cards. Knows no story, no film, no file.

`lines` finds a font for every letter, breaks text into lines and draws them; `captions` and `cards` lay out what is
shown over and between scenes. They hand back Pillow pictures; who writes them where is decided by whoever asks.
"""
