"""The sound of a film: stretches joined to the sample, brought to one loudness, mixed with music and narration.

Take what you need from `stretch` (what is heard and when), `join` (the samples of it), `loudness` (how loud it is),
`mix` (music and narration) and `voice` (programs that speak). Encoding is in `media.soundtrack`. Pictures are nobody's
business here.
"""
