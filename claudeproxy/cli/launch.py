"""How a CLI process is started: its binary, arguments and environment.

The process is isolated: it has no built-in tools, none of the user's settings, hooks, CLAUDE.md or
MCP servers, an environment from an allow-list, and an empty working directory. The command line,
which every user of the machine can read, contains nothing of a request.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType

import attrs

from ..settings import Settings
from . import mcp


# `claude --help` documents each flag.
ARGUMENTS = (
    *("--print", "--verbose", "--input-format", "stream-json", "--output-format", "stream-json"),
    *("--include-partial-messages", "--no-session-persistence"),
    *("--tools", "", "--strict-mcp-config", "--setting-sources", ""),
    *("--permission-prompt-tool", "stdio", "--allowedTools", f"mcp__{mcp.SERVER}"),
)

# The variables of the proxy's environment that the CLI gets. API keys are not among them: the CLI
# would bill an API account instead of the user's plan.
ALLOWED = frozenset(
    {
        *("HOME", "PATH", "USER", "LOGNAME", "LANG", "TZ", "CLAUDE_CONFIG_DIR"),
        *("CLAUDE_CODE_OAUTH_TOKEN", "SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS"),
        *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
    }
)

ALWAYS = {
    "DISABLE_AUTOUPDATER": "1",
    "DISABLE_TELEMETRY": "1",
    "DISABLE_ERROR_REPORTING": "1",
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    # Without this, `@/etc/hostname` in a user's text makes the CLI send that file to the model.
    "CLAUDE_CODE_DISABLE_ATTACHMENTS": "1",
    # Without this, the CLI adds a placeholder tool and may defer tool schemas.
    "ENABLE_TOOL_SEARCH": "0",
    # The history belongs to the client; the CLI must not summarise it.
    "DISABLE_AUTO_COMPACT": "1",
    "DISABLE_COMPACT": "1",
    # Without this, an unstreamed second request follows a broken stream. It would cost tokens and
    # be indistinguishable from the first.
    "CLAUDE_CODE_DISABLE_NONSTREAMING_FALLBACK": "1",
    # A refusal is an answer; whether to ask again is up to the client.
    "CLAUDE_CODE_DISABLE_REFUSAL_RETRY": "1",
    "CLAUDE_CODE_DISABLE_REFUSAL_FALLBACK": "1",
    # Without this, the CLI uses the newest Opus instead of `claude-opus-4-1` and some other ids.
    "CLAUDE_CODE_DISABLE_LEGACY_MODEL_REMAP": "1",
}

# With its experimental betas, newer CLIs (2.1.330) mark the last block of the last message for the
# API's prompt cache. That can be a note of their own which the next request has elsewhere, so the
# mark is not found again. Without them, they mark the last block of the user's.
STABLE_CACHE_MARKS = {"CLAUDE_CODE_DISABLE_EXPERIMENTAL_BETAS": "1"}
# The two that are wanted all the same: they keep the thinking of earlier turns in the conversation,
# and go with marks of one hour.
KEPT_BETAS = ("context-management-2025-06-27", "extended-cache-ttl-2025-04-11")

# Where installers put the CLI, tried after PATH, which is short under launchd.
USUAL_PLACES = (
    "~/.local/bin/claude",
    "~/.claude/local/claude",
    "/opt/homebrew/bin/claude",
    "/usr/local/bin/claude",
    "~/.npm-global/bin/claude",
    "~/.bun/bin/claude",
)


@attrs.frozen
class CLI:
    """A Claude Code binary. where: how it was found, as text for the user."""

    path: str
    version: str
    where: str

    @property
    def name(self) -> str:
        """How it is named in a message."""
        return f"Claude Code {self.version} ({self.path})"


def fingerprint(path: str) -> tuple[int, ...] | None:
    """A value that changes when the file is replaced; None if there is none."""
    try:
        told = os.stat(path)
    except OSError:
        return None
    return told.st_dev, told.st_ino, told.st_size, told.st_mtime_ns


def real_path(path: str) -> str:
    """The path without symbolic links, which tells how a CLI was installed."""
    return os.path.realpath(path)


def candidates(setting: str, environ: Mapping[str, str]) -> Iterable[tuple[str, str]]:
    """Paths to try, best first, and how each was found."""
    if not setting:
        return _usual(environ)
    if os.sep not in setting:
        return [(shutil.which(setting, path=environ.get("PATH")) or setting, "settings")]
    # Processes run in a directory of their own, where a relative path would lead elsewhere.
    path = setting.replace("~", environ.get("HOME", "~"), 1) if setting[0] == "~" else setting
    return [(os.path.abspath(path), "settings")]


def _usual(environ: Mapping[str, str]) -> Iterable[tuple[str, str]]:
    if on_path := shutil.which("claude", path=environ.get("PATH")):
        yield on_path, "PATH"
    home = environ.get("HOME", "")
    for place in USUAL_PLACES:
        path = place.replace("~", home, 1)
        if os.access(path, os.X_OK):
            yield path, "a default install location"
    if inside := bundled():
        yield inside, "bundled with claude-agent-sdk"


def bundled() -> str | None:
    """The binary in the claude-agent-sdk package, if that is installed."""
    # Importing the package would cost half a second.
    spec = find_spec("claude_agent_sdk")
    if spec is None or spec.origin is None:
        return None
    path = str(Path(spec.origin).parent / "_bundled" / "claude")
    return path if os.access(path, os.X_OK) else None


def read_version(told: bytes) -> str | None:
    """The version in the output of `claude --version`; None if the output is something else."""
    version, mark, _ = told.decode("utf-8", "replace").partition(" (Claude Code)")
    return version.strip() if mark else None


def environment(
    environ: Mapping[str, str],
    passed: Iterable[str],
    retries: int,
    extra: Mapping[str, str],
    *,
    stable_cache_marks: bool = True,
) -> dict[str, str]:
    """The environment of a CLI process.

    passed: names of more variables of `environ` to pass on. extra: variables that take precedence
    over all others. stable_cache_marks: the CLI marks for the prompt cache what stays in its place.
    """
    env = allowed(environ, passed)
    if stable_cache_marks:
        betas = [beta for beta in (env.get("ANTHROPIC_BETAS"), *KEPT_BETAS) if beta]
        env |= {**STABLE_CACHE_MARKS, "ANTHROPIC_BETAS": ",".join(betas)}
    return {**env, **ALWAYS, "CLAUDE_CODE_MAX_RETRIES": str(retries), **extra}


def allowed(environ: Mapping[str, str], passed: Iterable[str] = ()) -> dict[str, str]:
    """The part of the proxy's environment that a CLI process gets."""
    names = ALLOWED | set(passed)
    return {
        name: value for name, value in environ.items() if name in names or name.startswith("LC_")
    }


@attrs.frozen
class Launch:
    """How to start a process; the same for every process of a server.

    directory: the working directory. It is empty, and always the same: the CLI tells the model its
    path, and a different path would miss the API's prompt cache.
    scratch: the directory in which each process gets its own temporary directory.
    """

    cli: CLI
    env: Mapping[str, str]
    directory: str
    scratch: str

    @classmethod
    def of(
        cls,
        cli: CLI,
        settings: Settings,
        environ: Mapping[str, str],
        scratch: str,
        extra: Mapping[str, str] = MappingProxyType({}),
    ) -> Launch:
        """How the settings say. environ, extra: as in `environment`."""
        env = environment(
            environ,
            settings.pass_environment,
            settings.cli_retries,
            extra,
            stable_cache_marks=settings.stable_cache_marks,
        )
        return cls(cli, env, str(settings.cli_directory), scratch)

    def argv(self) -> list[str]:
        """The command line: the same for every process and every request."""
        return in_own_session([self.cli.path, *ARGUMENTS])

    def clean_up_after(self, pid: int) -> None:
        """Remove the files that a killed process leaves in the CLI's configuration folder.

        They are `sessions/PID.json` and, from 2.1.330 on, a key file beside it. Later processes of
        that version do not remove them.
        """
        home = self.env.get("CLAUDE_CONFIG_DIR") or str(Path(self.env.get("HOME", "")) / ".claude")
        for left in Path(home, "sessions").glob(f"{pid}.*"):
            left.unlink(missing_ok=True)

    def env_for(self, model: str, tmp: str) -> dict[str, str]:
        """The environment of one process. model: its first model, "" for the CLI's default."""
        return {**self.env, "TMPDIR": tmp, **({"ANTHROPIC_MODEL": model} if model else {})}


def in_own_session(argv: list[str]) -> list[str]:
    """The command that runs `argv` in a new session.

    Ctrl-C in the terminal then reaches only the proxy, which ends its child processes itself. A
    child can be killed together with its own children. macOS has no setsid(1).
    """
    setsid, setpriv = shutil.which("setsid"), shutil.which("setpriv")
    if setsid and setpriv:
        # After a SIGKILL of the proxy, the CLI would otherwise run on to the end of its turn.
        return [setpriv, "--pdeathsig", "TERM", setsid, *argv]
    if setsid:
        return [setsid, *argv]
    shim = "import os, sys; os.setsid(); os.execv(sys.argv[1], sys.argv[1:])"
    return [sys.executable, "-IS", "-c", shim, *argv]
