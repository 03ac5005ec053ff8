"""What each command does: one function each, from parsed arguments to an exit code.

They wire rooms together; whatever can be decided is decided in those rooms.
"""
