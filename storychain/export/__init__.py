"""A film for other programs: its lock file, its timeline for editors, its provenance.

Values come in plain, documents go out; nothing here knows the plan, the ledger or the network.
"""
