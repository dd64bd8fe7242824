"""Write constraints.txt: every package that an installation may get, with its version and the hashes of all its files.

The file names no address. Its first section is what runs, its second what only development needs, so that one file
serves both. Pins that still fit are kept; `--upgrade` takes the newest of everything.
"""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "constraints.txt"
HEADER = """\
# Every package that an installation may get, with the hashes of all its files. `make lock` writes this file.
# Install a section with `pip install --require-hashes -r`, then the project with `--no-deps --no-build-isolation`:
# `.ci/environment` does that. As a plain `-c` it would refuse the project itself, which has no hash.
"""
ENTRY = re.compile(r"^(?P<name>[a-z0-9-]+)==.*?(?=^\S|\Z)", re.MULTILINE | re.DOTALL)


def compiled(*options: str, pins: str) -> dict[str, str]:
    """Resolve for all platforms and every supported Python; give each package's lines by its name.

    A package has several entries where its newest version does not support every Python; markers tell them apart.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    output = ROOT / ".venv" / "lock.txt"
    output.write_text(pins)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("UV_", "PIP_"))}
    subprocess.run(
        [
            *(str(Path(sys.executable).parent / "uv"), "pip", "compile", "pyproject.toml", "-"),
            *("--universal", "--generate-hashes", "--no-header", "--no-annotate", "--no-config", "--quiet"),
            *("--no-emit-index-url", "--no-emit-find-links", "--python-version", "3.11", "--output-file", str(output)),
            *options,
        ],
        input="\n".join(project["build-system"]["requires"]),
        env=environment,
        text=True,
        check=True,
        cwd=ROOT,
    )
    entries: dict[str, str] = {}
    for entry in ENTRY.finditer(output.read_text()):
        entries[entry["name"]] = entries.get(entry["name"], "") + entry.group(0)
    return entries


def main() -> None:
    """Resolve what runs, then what development adds to it, and write both."""
    pins = LOCK.read_text() if LOCK.exists() else ""
    everything = compiled("--extra", "dev", *sys.argv[1:], pins=pins)
    runtime = compiled(pins="".join(everything.values()))
    development = {name: lines for name, lines in everything.items() if runtime.get(name) != lines}
    sections = {"runtime": runtime, "dev": development}
    text = "".join(f"# section: {section}\n{''.join(entries.values())}" for section, entries in sections.items())
    if "://" in text:
        raise SystemExit("the lock names an address; none was written")
    LOCK.write_text(HEADER + text)


if __name__ == "__main__":
    main()
