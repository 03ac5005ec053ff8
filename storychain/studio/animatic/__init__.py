"""The renderer: a request and its sources in, a stand-in segment out. Knows neither HTTP nor jobs.

`render` is the door; `look` decides from words, `land`, `sky`, `ridges`, `props` and `card` paint,
`sound` composes, `graph` writes the ffmpeg command and `process` runs it.
"""
