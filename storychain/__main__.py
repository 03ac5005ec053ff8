"""`python -m storychain`."""

from storychain.cli import entry

entry()
