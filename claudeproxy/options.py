"""The settings as command line options: how they are spelled, grouped and explained.

Both `claudeproxy serve` and `twistd claudeproxy` take them from here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from click.formatting import HelpFormatter

from .settings import FIELDS


FLAGS = frozenset(name for name, field in FIELDS.items() if isinstance(field.default, bool))
# A group begins with this setting and ends where the next one begins.
GROUPS = {
    "port": "Address and access",
    "demo": "Claude Code CLI",
    "spares": "Processes",
    "structured_output": "Answers",
    "queue": "Limits and timeouts, in seconds and bytes",
    "log_level": "Log and shutdown",
}
CONFIG = ("config", "FILE", "settings file (default: config.toml in your configuration folder)")
WIDTH = 100


class OptionError(Exception):
    """An option is wrong; the message names it."""


def option(name: str) -> str:
    """The option of a setting."""
    return f"--{name.replace('_', '-')}"


def off(name: str) -> str:
    """The option that turns a flag off."""
    return f"--no-{name.replace('_', '-')}"


def on_command_line() -> list[str]:
    """The settings that have an option."""
    return [name for name, field in FIELDS.items() if not field.metadata["secret"]]


def shown(value: Any) -> str:
    """A value of a setting for people, "" for an empty one."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float):
        return f"{value:g} s"
    if isinstance(value, int) and value and value % 1024**2 == 0:
        return f"{value // 1024**2} MiB"
    if isinstance(value, dict):
        return ",".join(f"{name}={text}" for name, text in value.items())
    if isinstance(value, tuple):
        return ",".join(value)
    return str(value)


def help_text(name: str) -> str:
    """What `--help` says about a setting."""
    text: str = FIELDS[name].metadata["help"]
    default = shown(FIELDS[name].default)
    return f"{text} [{default}]" if default else text


def groups() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """The title of each group of options, and its options with what they mean."""
    title, rows = "Options", [(f"--{CONFIG[0]} {CONFIG[1]}", CONFIG[2])]
    for name in on_command_line():
        if name in GROUPS:
            yield title, rows
            title, rows = GROUPS[name], []
        if name in FLAGS:
            spelling = f"{option(name)} / {off(name)}"
        else:
            spelling = f"{option(name)} {metavar(name)}"
        rows.append((spelling, help_text(name)))
    yield title, rows


def metavar(name: str) -> str:
    """What stands for the value of a setting in help texts."""
    kinds = {int: "N", float: "SECONDS", tuple: "NAMES", dict: "PAIRS"}
    if name.endswith("_file") or name == "cli":
        return "FILE"
    if name == "directory":
        return "FOLDER"
    return kinds.get(type(FIELDS[name].default), "TEXT")


def write_groups(formatter: HelpFormatter) -> None:
    """Write the options with their groups."""
    for title, rows in groups():
        with formatter.section(title):
            # An option that is too long for the first column gets a line of its own.
            formatter.write_dl(rows, col_max=28)


def usage_text() -> str:
    """The options with their groups, as text."""
    formatter = HelpFormatter(max_width=WIDTH)
    write_groups(formatter)
    return formatter.getvalue()


def tidied(words: Sequence[str], *, others: Sequence[str] = ()) -> list[str]:
    """Options with every flag spelled `--name` or `--no-name`, and each flag only once.

    `--name true` and `--name=false` are understood too. The last of several takes precedence.
    others: more options that take a value. Raises OptionError for a value that is neither true nor
    false.
    """
    flags = {option(name): name for name in FLAGS} | {off(name): name for name in FLAGS}
    valued = {option(name) for name in FIELDS if name not in FLAGS} | {f"--{CONFIG[0]}", *others}
    tidy: list[str] = []
    waiting = list(words)
    while waiting:
        word, equals, value = waiting.pop(0).partition("=")
        if word not in flags:
            tidy.append(word + equals + value)
            if word in valued and not equals and waiting:
                tidy.append(waiting.pop(0))
            continue
        name = flags[word]
        if not equals:
            given = waiting and not waiting[0].startswith("-")
            value = waiting.pop(0) if given else "true"
        on = _truth(word, name, value) == (word == option(name))
        tidy = [other for other in tidy if flags.get(other) != name]
        tidy.append(option(name) if on else off(name))
    return tidy


def _truth(word: str, name: str, value: str) -> bool:
    try:
        return bool(FIELDS[name].metadata["read"](value))
    except ValueError as error:
        raise OptionError(f"{word}: {error}") from None
