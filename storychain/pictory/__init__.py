"""Pictory's API, the one door to httpx and tenacity.

`answers` reads what came back, `refusals` turns bad answers into our errors, `gate` says when the next request may be
sent, `transport` carries requests and repeats reads, `download` brings files home, `client` is the Provider made of
them.
"""

from storychain.pictory.client import Pictory
from storychain.pictory.gate import Gate
from storychain.pictory.transport import Patience

__all__ = ["Gate", "Patience", "Pictory"]
