"""The user's own Claude Code CLI, served as an OpenAI-compatible API."""

__version__ = "1.0.0"
