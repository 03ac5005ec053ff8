"""Make a virtual environment with pip, also where the system's Python came without ensurepip (bare Debian, Ubuntu).

Usage: python3 .bootstrap.py FOLDER. Needs no root; pip is then fetched from the package index and held to its hash.
"""

import hashlib
import json
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request
import venv
from pathlib import Path

INDEX = "https://pypi.org/pypi/pip/json"


def has_ensurepip() -> bool:
    """Whether this Python can install pip by itself."""
    try:
        import ensurepip  # noqa: F401, PLC0415
    except ImportError:
        return False
    return True


def fetch_pip(folder: Path) -> Path:
    """Download pip's newest wheel and check it."""
    with urllib.request.urlopen(INDEX, timeout=60) as answer:
        release = json.load(answer)
    wheel = next(file for file in release["urls"] if file["packagetype"] == "bdist_wheel")
    with urllib.request.urlopen(urllib.parse.urljoin(INDEX, wheel["url"]), timeout=120) as answer:
        data = answer.read()
    if hashlib.sha256(data).hexdigest() != wheel["digests"]["sha256"]:
        sys.exit("pip arrived damaged; try again")
    path = folder / Path(wheel["filename"]).name
    path.write_bytes(data)
    return path


def main() -> None:
    """Make the environment at the folder named on the command line."""
    if sys.version_info < (3, 11):
        sys.exit(f"storychain needs Python 3.11 or newer; this is {sys.version.split()[0]}. Set PYTHON=/path/to/one.")
    target = Path(sys.argv[1])
    with_pip = has_ensurepip()
    venv.create(target, with_pip=with_pip, clear=True, symlinks=True)
    if not with_pip:
        with tempfile.TemporaryDirectory() as folder:
            wheel = fetch_pip(Path(folder))
            command = [target / "bin" / "python", wheel / "pip", "install", "--quiet", "--no-deps", wheel]
            subprocess.run(command, check=True)


main()
