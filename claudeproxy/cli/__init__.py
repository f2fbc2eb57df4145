"""Everything that knows the Claude Code CLI, and nothing that knows HTTP or OpenAI."""
