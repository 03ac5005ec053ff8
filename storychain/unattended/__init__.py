"""Runs that nobody watches: a log file, a monitor's check, notifications, metrics, and what starts runs by a clock.

`watch` holds the first four together around one run. None of them may fail a run whose money is under way: what is set
wrongly is refused before anything is spent, what goes wrong later is one line on stderr. Decides nothing about stories.
"""
