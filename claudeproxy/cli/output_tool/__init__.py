"""Structured answers by a tool of the CLI's own, for schemas and models that need this way.

The CLI offers the model a tool, StructuredOutput, whose arguments are the answer, and compares them
with the schema (2.1.197, 2.1.332; doc/cli-protocol.md). The rest of the cli package calls this
package in `initialize`, `flag_settings` and `Session`, and nowhere else.
"""
