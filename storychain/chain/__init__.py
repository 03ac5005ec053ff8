"""The chain: carrying a plan's steps out and telling events.

`survey` gathers facts, `story` takes one story from plan to film, `rendering` is the loop over its scenes; under them
`purchase` pays, `reconcile` finds lost answers, `follow` waits and downloads, `link` hands a segment on, `film` joins.
"""
