"""The settings, each declared once: its default, its bounds and its help text.

The name of a setting determines its other spellings: `body_limit` is `--body-limit` on the command
line, `CLAUDEPROXY_BODY_LIMIT` in the environment and `body_limit` in config.toml. The command line
takes precedence over the environment, the environment over the file, and the file over the default.
"""

from __future__ import annotations

import os
import shlex
import tomllib
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import attrs
import platformdirs

from . import files


class SettingsError(Exception):
    """A setting is invalid; the message names it and where it was set."""


def _number(low: float, high: float) -> Callable[[Any], float]:
    def read(value: Any) -> float:
        with suppress(ValueError, TypeError, OverflowError):
            if not isinstance(value, bool) and low <= float(value) <= high:
                return float(value)
        raise ValueError(f"must be a number from {low:g} to {high:g}")

    return read


def _whole(low: int, high: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        with suppress(ValueError, TypeError):
            if not isinstance(value, (bool, float)) and low <= int(value) <= high:
                return int(value)
        raise ValueError(f"must be an integer from {low} to {high}")

    return read


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("must be a string")
    return value


def _one_of(*words: str) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if value not in words:
            raise ValueError(f"must be one of {', '.join(words)}")
        return str(value)

    return read


def _path(value: Any) -> str:
    return os.path.expanduser(_text(value))


def _names(value: Any) -> tuple[str, ...]:
    """A list of names, or one string with the names separated by commas."""
    names = value.split(",") if isinstance(value, str) else value
    if not isinstance(names, list | tuple):
        raise ValueError("must be a list of names")
    return tuple(_text(name).strip() for name in names if _text(name).strip())


def _origins(value: Any) -> tuple[str, ...]:
    """Origins as browsers send them, without a path."""
    origins = tuple(origin.rstrip("/") for origin in _names(value))
    if "*" in origins:
        raise ValueError("must name each origin: '*' would let every web page use your plan")
    return origins


def _pairs(example: str) -> Callable[[Any], dict[str, str]]:
    """A mapping of names to strings: a table, or one string like the example."""

    def read(value: Any) -> dict[str, str]:
        if isinstance(value, str):
            pairs = [pair.partition("=")[::2] for pair in _names(value)]
        elif isinstance(value, Mapping):
            pairs = list(value.items())
        else:
            raise ValueError(f"must be a table or have the form {example}")
        texts = {_text(name).strip(): _text(text).strip() for name, text in pairs}
        # The message does not quote the value: a key must not get into a log.
        if not all(name and text for name, text in texts.items()) or len(texts) < len(pairs):
            raise ValueError(f"must have the form {example}, and no name may occur twice")
        return texts

    return read


def _flag(value: Any) -> bool:
    if isinstance(value, str):
        words = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
        value = words.get(value.lower())
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    return value


def _setting(
    default: object,
    read: Callable[[Any], Any],
    help: str,  # noqa: A002
    *,
    secret: bool = False,
) -> Any:
    """secret: not accepted on the command line, which every user of the machine can read."""
    return attrs.field(
        default=default, metadata={"read": read, "help": help, "secret": secret}, repr=not secret
    )


@attrs.frozen(kw_only=True)
class Settings:
    """How this proxy runs. Times are in seconds, sizes in bytes."""

    port: int = _setting(3456, _whole(0, 65535), "TCP port to listen on")
    interface: str = _setting("127.0.0.1", _text, "address to listen on")
    keys: Mapping[str, str] = _setting(
        {},
        _pairs("mine=KEY,hers=KEY"),
        "API keys, of which a client must send one, as name=key; not on the command line",
        secret=True,
    )
    keys_file: str = _setting("", _path, "file with more API keys, one name=key per line")
    insecure: bool = _setting(
        False, _flag, "allow an address other than loopback without API keys: anyone can use it"
    )
    allowed_hosts: tuple[str, ...] = _setting(
        (), _names, "host names by which clients may address this server, besides localhost"
    )
    allowed_origins: tuple[str, ...] = _setting(
        (),
        _origins,
        "origins of web pages and desktop apps that may send requests, besides localhost",
    )
    demo: bool = _setting(
        False, _flag, "answer from a built-in stand-in for Anthropic's API: no login, no quota"
    )
    cli: str = _setting("", _text, "path of the claude binary (default: search for it)")
    directory: str = _setting(
        "", _text, "empty working directory of the CLI (default: one in your cache folder)"
    )
    pass_environment: tuple[str, ...] = _setting(
        (), _names, "names of more environment variables to pass to the CLI, separated by commas"
    )
    aliases: Mapping[str, str] = _setting(
        {},
        _pairs("mine=opus,other=sonnet"),
        "aliases of models, as name=model, separated by commas; `*` is any other name",
    )
    spares: int = _setting(
        1, _whole(0, 16), "number of spare processes, started in advance for new system prompts"
    )
    workers: int = _setting(
        8, _whole(1, 256), "maximum number of CLI processes (each about 130 MB)"
    )
    idle_workers: int = _setting(4, _whole(0, 256), "maximum number of idle processes")
    idle_time: float = _setting(600.0, _number(1, 86400), "idle timeout of a process")
    pause_idle: bool = _setting(
        True, _flag, "stop idle processes with SIGSTOP until they are used again (Linux only)"
    )
    idle_spares: bool = _setting(
        True, _flag, "keep the spare processes when there is no request for `idle_time`"
    )
    worker_turns: int = _setting(
        500, _whole(1, 1_000_000), "number of turns after which a process is replaced"
    )
    worker_memory: int = _setting(
        700 * 1024 * 1024, _whole(1024, 1024**4), "memory size above which a process is replaced"
    )
    recycling: bool = _setting(
        True, _flag, "let a process serve another conversation after it has been emptied"
    )
    stable_cache_marks: bool = _setting(
        True,
        _flag,
        "put the marks for the API's prompt cache where they can be found again; turns the CLI's "
        "experimental betas off",
    )
    structured_output: str = _setting(
        "auto",
        _one_of("auto", "api", "tool"),
        "how an answer is made to match a JSON schema: by the API, by a tool of the CLI, or auto: "
        "by the API where it can",
    )
    structured_retry: bool = _setting(
        True, _flag, "ask once more if a structured answer that is not streamed does not match"
    )
    web_tools: bool = _setting(
        True,
        _flag,
        "let requests use the tools that Anthropic's API carries out itself, such as web search",
    )
    reasoning: bool = _setting(
        True, _flag, "include the model's thinking in answers, as reasoning_content"
    )
    responses: int = _setting(
        200, _whole(0, 100_000), "maximum number of responses stored for previous_response_id"
    )
    responses_age: float = _setting(
        86400.0, _number(1, 86400 * 30), "how long a response is stored; a restart deletes them all"
    )
    strict_parameters: bool = _setting(
        False, _flag, "reject parameters that would otherwise be ignored, with a 400"
    )
    queue: int = _setting(
        64,
        _whole(0, 100_000),
        "maximum number of requests that wait for a process; with 0, none waits",
    )
    queue_wait: float = _setting(
        60.0, _number(0, 3600), "maximum time that a request waits for a process"
    )
    longest_retry: float = _setting(
        5.0,
        _number(0, 3600),
        "maximum delay before a retry by the CLI; a longer one fails the request at once",
    )
    cli_retries: int = _setting(2, _whole(0, 10), "retry limit of the CLI for a failed API call")
    start_timeout: float = _setting(
        30.0, _number(1, 600), "maximum time for a CLI process to become ready"
    )
    first_token_timeout: float = _setting(
        300.0, _number(1, 86400), "maximum time from a request to the first event of its answer"
    )
    stall_timeout: float = _setting(
        300.0, _number(1, 86400), "maximum time without an event in the middle of an answer"
    )
    total_timeout: float = _setting(3600.0, _number(1, 86400), "maximum time for a whole answer")
    hold_head: float = _setting(
        10.0,
        _number(0, 3600),
        "how long to hold the response headers of a stream, so that an error can set the status",
    )
    keepalive: float = _setting(
        15.0, _number(1, 3600), "interval between keep-alive comments in a silent stream"
    )
    body_limit: int = _setting(
        32 * 1024 * 1024, _whole(1024, 1024**3), "maximum size of a request body"
    )
    request_timeout: float = _setting(60.0, _number(1, 3600), "maximum time to receive a request")
    log_level: str = _setting(
        "info", _one_of("debug", "info", "warn", "error"), "lowest level of what is logged"
    )
    log_format: str = _setting(
        "text", _one_of("text", "json"), "format of the log: text, or one JSON object a line"
    )
    debug: bool = _setting(
        False, _flag, "log the stderr of a CLI process that failed; may contain parts of requests"
    )
    drain: float = _setting(
        10.0, _number(0, 3600), "how long running requests may take to finish when the server stops"
    )

    @property
    def cli_directory(self) -> Path:
        """The working directory of the CLI's processes."""
        return Path(self.directory or platformdirs.user_cache_path("claudeproxy") / "empty")


PREFIX = "CLAUDEPROXY_"
# Names the settings file; it is not a setting itself.
CONFIG = PREFIX + "CONFIG"
FIELDS: Mapping[str, attrs.Attribute[Any]] = attrs.fields_dict(Settings)


@attrs.frozen
class Sources:
    """The settings, where each was set, and the settings file.

    where: by name; a setting that is not in it has its default. exists: whether there is a file.
    """

    settings: Settings
    where: Mapping[str, str]
    file: Path
    exists: bool


def load(
    given: Mapping[str, Any],
    environ: Mapping[str, str] = os.environ,
    file: Path | None = None,
) -> Settings:
    """Load the settings from the command line, the environment and config.toml.

    given: the settings from the command line, by name. file: the settings file; None for the one
    in CLAUDEPROXY_CONFIG, or else the default file, which need not exist. Raises SettingsError for
    an unknown name and for an invalid value.
    """
    return load_sources(given, environ, file).settings


def load_sources(
    given: Mapping[str, Any],
    environ: Mapping[str, str] = os.environ,
    file: Path | None = None,
) -> Sources:
    """As `load`, with the place where each value was set."""
    named = Path(environ[CONFIG]) if file is None and environ.get(CONFIG) else file
    path = named or platformdirs.user_config_path("claudeproxy") / "config.toml"
    values: dict[str, Any] = {}
    where: dict[str, str] = {}

    def take(name: str, value: Any, place: str) -> None:
        values[name], where[name] = _read(name, value, place), place

    content = _read_file(path, must_exist=named is not None)
    for name, value in (content or {}).items():
        if name not in FIELDS:
            raise SettingsError(f"{path}: unknown setting {name!r}")
        take(name, value, f"{path}: {name}")
    for variable, text in environ.items():
        if variable.startswith(PREFIX) and variable != CONFIG:
            name = variable.removeprefix(PREFIX).lower()
            if name not in FIELDS:
                raise SettingsError(f"{variable}: unknown setting {name!r}")
            take(name, text, variable)
    for name, value in given.items():
        take(name, value, f"--{name.replace('_', '-')}")
    settings = Settings(**values)
    try:
        keys = {**settings.keys, **files.read_keys(settings.keys_file)}
    except files.FileError as error:
        raise SettingsError(str(error)) from None
    return Sources(attrs.evolve(settings, keys=keys), where, path, content is not None)


def _read(name: str, value: Any, where: str) -> Any:
    try:
        return FIELDS[name].metadata["read"](value)
    except (ValueError, TypeError) as error:
        raise SettingsError(f"{where}: {error}") from None


def _read_file(path: Path, *, must_exist: bool) -> dict[str, Any] | None:
    """The content of a settings file; None if there is none."""
    try:
        if not must_exist and not files.exists(path):
            return None
        return tomllib.loads(files.text_of(path))
    except files.FileError as error:
        raise SettingsError(str(error)) from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path}: not valid TOML: {error}") from None


def exposed_files(sources: Sources) -> list[str]:
    """A warning for each file with API keys that other users of this machine can read."""
    paths = [sources.settings.keys_file] if sources.settings.keys_file else []
    if sources.where.get("keys", "").startswith(str(sources.file)):
        paths.append(str(sources.file))
    return [
        f"{path}: other users can read the keys in this file. Run: chmod 600 {shlex.quote(path)}"
        for path in paths
        if files.others_can_read(path)
    ]
