import re
from pathlib import Path

from setuptools import setup


def for_an_index(readme: str) -> str:
    """The README as a package index shows it, where no file is beside it.

    Links to the repository's own files become their text and the file's name: there is no address
    that they could have everywhere. Its own pictures are left out.
    """

    def named(link: re.Match[str]) -> str:
        text, target = link.groups()
        return text if text == target else f"{text} ({target})"

    inside = r"\[([^\]]+)\]\((?![a-z]+:|#)([^)#\s]+)(?:#[^)\s]*)?\)"
    readme = re.sub(rf"!{inside}\n*", "", readme)
    note = "The files named here, such as those in `doc/`, are in the source distribution.\n"
    return f"{re.sub(inside, named, readme)}\n{note}"


if __name__ == "__main__":
    setup(long_description=for_an_index(Path("README.md").read_text("utf-8")))
