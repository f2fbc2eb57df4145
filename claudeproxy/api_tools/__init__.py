"""What Anthropic's API takes of the tools of a request: its own tools, and strict ones."""
