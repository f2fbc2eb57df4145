"""Names the tap for twistd; imports nothing else, as every twistd command loads this file."""

from twisted.application.service import ServiceMaker


claudeproxy = ServiceMaker(
    "claudeproxy",
    "claudeproxy.tap",
    "Your Claude Code CLI as an OpenAI-compatible API.",
    "claudeproxy",
)
