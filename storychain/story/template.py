"""The story `storychain new` writes, and the schema file editors read beside it.

Text only, quick to import; the schema is the packaged copy, which a test keeps equal to the computed one.
"""

from __future__ import annotations

import json
from pathlib import Path

SCHEMA_FILE = ".story.schema.json"
"""Name under which the schema is written beside a new story; its first line points there, so it works offline."""

_TEMPLATE = """\
# yaml-language-server: $schema={schema}
# One scene is one paid video segment that continues the one before it. Rehearse for nothing, then render:
#   storychain check {file}
#   storychain run {file} --local
#   storychain run {file} --max-credits 60

title: {title}
model: pixverse5.5          # pixverse5.5 (5s 8s 10s) | veo3.1_fast | veo3.1 (4s 6s 8s; 16:9 and 9:16 only)
aspect_ratio: 16:9          # 16:9 | 9:16 | 1:1 | 3:4 | 4:3
duration: 8s                # each scene's, unless it has its own
budget: 120                 # credits this story may ever cost, all tries together

# Joined to every prompt: the look, the light, the camera.
style: >-
  Hand-painted animation, soft morning light, gentle camera movement.

# ${{name}} in a prompt becomes this text. Describe people once, the same way every time.
vars:
  hero: Ada, a watchmaker in her seventies with round glasses and a green apron

# To begin from something that exists, take away "# " before start and before one of video, image and references:
# start:
#   video: clip.mp4         # beside this file, or https://…
#   include: true           # with video, if this line is wanted too: the clip itself opens the film
#   image: picture.jpg      # the first scene begins with it
#   references: [ada.jpg]   # 1 to 3 pictures of who and what is in the story

scenes:
  - id: workshop
    prompt: >-
      ${{hero}} unlocks her little shop at dawn; dozens of clocks glow in the first light.
      The camera follows her in.

  # Write each prompt as the continuation of what is on screen.
  - id: heartbeat
    prompt: >-
      She bends over an open pocket watch and sets one last tiny wheel; it begins to turn.
      The camera moves close to her hands.
    duration: 10s

  - id: morning
    prompt: >-
      She looks up and smiles as every clock in the shop starts to chime.
      The camera rises slowly towards the window.
    join: extend            # extend (default) | last_frame | cut
    attempts: 2             # paid tries this scene may ever use; default 1
    # fallback_prompts:     # sent instead, in this order, if the provider refuses the words above
    #   - She looks up and smiles; sunlight fills the shop.
    # takes: 3              # bought side by side, each at the scene's price, until one is picked
    # hold: true            # what continues the scene waits until it is approved (storychain approve)
    # on_failure: placeholder   # stop (default) | placeholder: a free card stands in, so that there is a film
"""


def template(name: str) -> str:
    """Return a commented story to start from, for a file called `NAME.yaml`."""
    title = name.replace("_", " ").replace("-", " ").strip() or name
    shown = json.dumps((title[:1].upper() + title[1:]).replace("$", "$$"), ensure_ascii=False)
    return _TEMPLATE.format(schema=SCHEMA_FILE, file=_shell_word(f"{name}.yaml"), title=shown)


def schema_text() -> str:
    """Return the packaged JSON Schema, ready to be written to a file."""
    return Path(__file__).with_name("story.schema.json").read_text(encoding="utf-8")


def _shell_word(word: str) -> str:
    """Return `word` so that a shell takes it as one word, on one line."""
    plain = "".join(character if character.isprintable() else "?" for character in word)
    return plain if all(character.isalnum() or character in "._/-" for character in plain) else f"'{plain}'"
