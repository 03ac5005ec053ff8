"""The command `completion`: a script for the shell, made from the argument parser itself."""

from __future__ import annotations

import argparse

import shtab

from storychain.cli import parser


def completion(arguments: argparse.Namespace) -> int:
    """Print the completion script of a shell."""
    print(shtab.complete(parser(), arguments.shell))
    return 0
