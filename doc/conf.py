"""How Sphinx builds the pages in this folder: `make docs`."""

from __future__ import annotations

import re
from pathlib import Path


def version_of_the_package() -> str:
    """The version, read from the source: the package need not be installed."""
    text = (Path(__file__).parent.parent / "claudeproxy" / "__init__.py").read_text("utf-8")
    found = re.search(r'^__version__ = "([^"]+)"', text, re.MULTILINE)
    if found is None:
        raise ValueError("claudeproxy/__init__.py has no __version__")
    return found[1]


project = "claudeproxy"
author = "the claudeproxy authors"
copyright = "the claudeproxy authors"  # noqa: A001 - Sphinx reads this name.
version = release = version_of_the_package()

extensions = ["myst_parser", "sphinxcontrib.mermaid"]
# A forge shows ```mermaid as a diagram. So does the site.
myst_fence_as_directive = ["mermaid"]
# Links to headings have the anchors that a forge makes.
myst_heading_anchors = 3
# A link to a page or a heading that does not exist is a warning, and `make docs` ends with an error
# if there is one.
nitpicky = True
suppress_warnings: list[str] = []

# `--port` and quotation marks in messages stay as they are.
smartquotes = False

html_theme = "furo"
html_title = f"claudeproxy {release}"
html_static_path: list[str] = []
# Most blocks are commands or messages. Those in a language name it.
highlight_language = "none"

# For `make docs-links`, which asks the addresses of other sites.
linkcheck_ignore = [r"http://(localhost|127\.0\.0\.1|host\.docker\.internal|172\.17\.0\.1)"]
linkcheck_timeout = 20
