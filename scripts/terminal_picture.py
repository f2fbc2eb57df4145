"""Makes doc/images/terminal.svg, the picture in README.md, from what the demo really prints.

    scripts/loopback-only .venv/bin/python scripts/terminal_picture.py

It runs the demo on port 3456, the Python example of README.md, and `claudeproxy usage`.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from html import escape
from pathlib import Path
from textwrap import wrap


ROOT = Path(__file__).parent.parent
PICTURE = ROOT / "doc" / "images" / "terminal.svg"
COLUMNS = 92
# In pixels, for a font of 14.
CHARACTER, LINE, MARGIN = 8.43, 20, 18
COMMAND = [sys.executable, "-m", "claudeproxy"]


def example() -> str:
    """The Python example of README.md."""
    found = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    if found is None:
        raise SystemExit("README.md has no example in Python")
    return found[1]


def banner(server: subprocess.Popen[str]) -> Iterator[str]:
    """The first lines that the demo prints, up to the example request."""
    if server.stdout is None:
        return
    for line in server.stdout:
        if line.startswith("Try it:"):
            return
        # The log goes to the terminal too.
        if line.strip() and not re.match(r"\d{4}-\d\d-\d\dT", line):
            yield from wrap(without_folders(line.rstrip()), COLUMNS)


def without_folders(line: str) -> str:
    """A line without the folders of this machine."""
    return line.replace(sys.prefix, ".venv").replace(str(ROOT), ".")


def recorded(home: Path) -> list[str]:
    """The commands and what they print. A command begins with `$`."""
    environment = {
        **{name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ},
        "HOME": str(home),
        "PYTHONUNBUFFERED": "1",
        "TZ": "UTC",
    }
    (home / "hello.py").write_text(example(), "utf-8")

    def output(*command: str) -> list[str]:
        done = subprocess.run(
            command, env=environment, cwd=home, check=True, stdout=subprocess.PIPE, text=True
        )
        return [part for line in done.stdout.splitlines() for part in wrap(line, COLUMNS) or [""]]

    with subprocess.Popen(
        [*COMMAND, "demo"],
        env=environment,
        cwd=home,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as server:
        try:
            lines = ["$ make demo", *banner(server)]
            lines += ["", "$ python hello.py     # the example below"]
            lines += output(sys.executable, "hello.py")
            lines += ["", "$ claudeproxy usage", *output(*COMMAND, "usage")]
        finally:
            server.send_signal(signal.SIGTERM)
    return lines


def picture(lines: list[str]) -> str:
    """An SVG that looks like a terminal with these lines."""
    width = round(COLUMNS * CHARACTER) + 2 * MARGIN
    height = len(lines) * LINE + 2 * MARGIN
    texts = []
    for number, line in enumerate(lines):
        colour = "#7ee787" if line.startswith("$ ") else "#e6edf3"
        y = MARGIN + LINE * (number + 0.75)
        # Not all browsers keep other spaces.
        shown = escape(line).replace(" ", "\u00a0")
        texts.append(f'<text x="{MARGIN}" y="{y:g}" fill="{colour}">{shown}</text>')
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            f'viewBox="0 0 {width} {height}" role="img">',
            "<title>claudeproxy in a terminal</title>",
            f'<rect width="{width}" height="{height}" rx="8" fill="#0d1117"/>',
            '<g font-family="ui-monospace, Menlo, Consolas, DejaVu Sans Mono, monospace" '
            'font-size="14">',
            *texts,
            "</g>",
            "</svg>",
            "",
        ]
    )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        text = picture(recorded(Path(folder)))
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_text(text, "utf-8")
