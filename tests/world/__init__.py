"""A small world in which the real chain, ledger and client live through thousands of schedules a minute.

`loop` is its clock and its processes' death, `weather` what may go wrong, `account` the provider and its books, `wire`
the way to it, `disk` what survives a power cut, `room` cutting without ffmpeg, `process` one run of the program,
`schedule` a whole history from a seed, `nights` a month of cron,
`invariants` what must be true of it, `broken` programs that must be caught.
"""
