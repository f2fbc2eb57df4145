"""What the benchmarks print and write into doc/: where they ran, and a table."""

from __future__ import annotations

import os
import platform
from datetime import date
from pathlib import Path


def about(cli_version: str, more: str = "") -> str:
    """The day, the versions and the machine, as a sentence. more: what else to say in it."""
    return (
        f"{date.today()}, Claude Code {cli_version}, Python {platform.python_version()}, "
        f"{platform.system()} on {platform.machine()}, "
        f"{os.cpu_count()} cores{more}."
    )


def write(page: Path, name: str, text: str) -> None:
    """Put a text into a page, between its comments `name` and `end of name`."""
    start, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    before, _, rest = page.read_text("utf-8").partition(start)
    _, _, after = rest.partition(end)
    page.write_text(f"{before}{start}\n{text}{end}{after}", "utf-8")
