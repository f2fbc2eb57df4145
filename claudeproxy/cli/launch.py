"""How a CLI process is started: which binary, what it is told, what it can see.

The launch is hermetic: no built-in tools, none of the user's settings, hooks, CLAUDE.md or MCP
servers, an environment from an allow-list, an empty directory to work in. Nothing of a request
is in the command line, which every user of the machine can read.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path

import attrs

from . import mcp


# Each flag as documented by `claude --help`.
ARGUMENTS = (
    *("--print", "--verbose", "--input-format", "stream-json", "--output-format", "stream-json"),
    *("--include-partial-messages", "--no-session-persistence"),
    *("--tools", "", "--strict-mcp-config", "--setting-sources", ""),
    *("--permission-prompt-tool", "stdio", "--allowedTools", f"mcp__{mcp.SERVER}"),
)

# What the CLI gets of the proxy's own environment. An API key is not among it: it would bill an
# API account instead of the user's plan.
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
    # Without it `@/etc/hostname` in a user's text makes the CLI send that file to the model.
    "CLAUDE_CODE_DISABLE_ATTACHMENTS": "1",
    # Else a placeholder tool is added and tool schemas can be deferred.
    "ENABLE_TOOL_SEARCH": "0",
    # A client's history is its own: it is never summarised behind its back.
    "DISABLE_AUTO_COMPACT": "1",
    "DISABLE_COMPACT": "1",
    # A second, unstreamed request after a broken stream would be spent and could not be told
    # from the first.
    "CLAUDE_CODE_DISABLE_NONSTREAMING_FALLBACK": "1",
    # A refusal is the answer; asking again is the client's choice.
    "CLAUDE_CODE_DISABLE_REFUSAL_RETRY": "1",
    "CLAUDE_CODE_DISABLE_REFUSAL_FALLBACK": "1",
}

# Where installers put the CLI, beside what PATH says (launchd's PATH is short).
USUAL_PLACES = (
    "~/.local/bin/claude",
    "~/.claude/local/claude",
    "/opt/homebrew/bin/claude",
    "/usr/local/bin/claude",
    "~/.npm-global/bin/claude",
    "~/.bun/bin/claude",
)

INSTALL_HINT = (
    "Install it with `npm install -g @anthropic-ai/claude-code`, or with "
    "`pip install 'claudeproxy[cli]'`, or name its place with --cli."
)


@attrs.frozen
class CLI:
    """A Claude Code binary. `where` says how it was found, for people."""

    path: str
    version: str
    where: str


def candidates(setting: str, environ: Mapping[str, str]) -> Iterable[tuple[str, str]]:
    """Paths that may be a CLI's, best first, and how each was found."""
    return [(setting, "settings")] if setting else _usual(environ)


def _usual(environ: Mapping[str, str]) -> Iterable[tuple[str, str]]:
    if on_path := shutil.which("claude", path=environ.get("PATH")):
        yield on_path, "PATH"
    home = environ.get("HOME", "")
    for place in USUAL_PLACES:
        path = place.replace("~", home, 1)
        if os.access(path, os.X_OK):
            yield path, "a usual place"
    if inside := bundled():
        yield inside, "bundled with claude-agent-sdk"


def bundled() -> str | None:
    """The binary in the wheel claude-agent-sdk, if that is installed."""
    # Importing the package would cost half a second.
    spec = find_spec("claude_agent_sdk")
    if spec is None or spec.origin is None:
        return None
    path = str(Path(spec.origin).parent / "_bundled" / "claude")
    return path if os.access(path, os.X_OK) else None


def read_version(told: bytes) -> str | None:
    """What `claude --version` says before its "(Claude Code)"; None if it is no such answer."""
    version, mark, _ = told.decode("utf-8", "replace").partition(" (Claude Code)")
    return version.strip() if mark else None


def environment(
    environ: Mapping[str, str], passed: Iterable[str], retries: int, extra: Mapping[str, str]
) -> dict[str, str]:
    """The environment of a CLI process.

    passed: names of further variables of `environ` to hand on. extra: variables that win over
    all others.
    """
    return {
        **allowed(environ, passed),
        **ALWAYS,
        "CLAUDE_CODE_MAX_RETRIES": str(retries),
        **extra,
    }


def allowed(environ: Mapping[str, str], passed: Iterable[str] = ()) -> dict[str, str]:
    """What a CLI process gets of the proxy's own environment."""
    names = ALLOWED | set(passed)
    return {
        name: value for name, value in environ.items() if name in names or name.startswith("LC_")
    }


@attrs.frozen
class Launch:
    """All that starting a process takes; the same for every process of a server.

    directory: where it works. Empty, and always the same, as the CLI tells the model its path and
    a path that changes would spoil the API's prompt cache.
    scratch: where each process gets a directory of its own for temporary files.
    """

    cli: CLI
    env: Mapping[str, str]
    directory: str
    scratch: str

    def argv(self) -> list[str]:
        """The command line: the same for every process and every request."""
        return in_own_session([self.cli.path, *ARGUMENTS])

    def clean_up_after(self, pid: int) -> None:
        """Remove what a process that was killed leaves in the CLI's configuration folder.

        Those are `sessions/PID.json` and, from 2.1.330, a key beside it; later processes of that
        version let them lie.
        """
        home = self.env.get("CLAUDE_CONFIG_DIR") or str(Path(self.env.get("HOME", "")) / ".claude")
        for left in Path(home, "sessions").glob(f"{pid}.*"):
            left.unlink(missing_ok=True)

    def env_for(self, model: str, tmp: str) -> dict[str, str]:
        """The environment of one process: its first model, "" for the CLI's choice, and TMPDIR."""
        return {**self.env, "TMPDIR": tmp, **({"ANTHROPIC_MODEL": model} if model else {})}


def in_own_session(argv: list[str]) -> list[str]:
    """The command that runs `argv` in a session of its own.

    So a Ctrl-C in the terminal reaches the proxy alone, which then ends its children in order,
    and a child can be killed with all that it started. macOS has no setsid(1).
    """
    setsid, setpriv = shutil.which("setsid"), shutil.which("setpriv")
    if setsid and setpriv:
        # In the middle of a turn the CLI would outlive a proxy that was killed hard.
        return [setpriv, "--pdeathsig", "TERM", setsid, *argv]
    if setsid:
        return [setsid, *argv]
    shim = "import os, sys; os.setsid(); os.execv(sys.argv[1], sys.argv[1:])"
    return [sys.executable, "-IS", "-c", shim, *argv]
