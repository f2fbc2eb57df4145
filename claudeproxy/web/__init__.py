"""Everything that knows HTTP, and nothing that knows the CLI or a wire format."""
