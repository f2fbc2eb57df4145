"""The user's own Claude Code CLI, served as an OpenAI-compatible API."""

__version__ = "0.1.0"
