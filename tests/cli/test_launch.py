"""How the CLI is looked for."""

from __future__ import annotations

from pathlib import Path

from claudeproxy.cli import launch


def test_its_version_is_asked_for_in_the_environment_that_it_will_have(tmp_path: Path) -> None:
    claude = tmp_path / "claude"
    claude.write_text(f"#!/bin/sh\nenv >{tmp_path}/env\necho '9.9.9 (Claude Code)'\n")
    claude.chmod(0o755)
    environ = {
        "PATH": f"{tmp_path}:/usr/bin:/bin",
        "HOME": str(tmp_path),
        "ANTHROPIC_API_KEY": "sk-secret",
        "CLAUDEPROXY_KEYS": "mine=sk-secret",
    }
    assert launch.find("", environ) == launch.CLI(str(claude), "9.9.9", "PATH")
    told = (tmp_path / "env").read_text()
    assert f"HOME={tmp_path}\n" in told
    assert "secret" not in told
