"""The command `claudeproxy`."""
