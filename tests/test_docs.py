"""What the documents say of settings and of the demo is what there is."""

from __future__ import annotations

from pathlib import Path

from claudeproxy.demo import script
from claudeproxy.settings import FIELDS


DOC = Path(__file__).parent.parent / "doc"


def test_every_setting_is_in_the_manual_with_its_default_and_help() -> None:
    rows = (DOC / "configuration.md").read_text("utf-8").splitlines()
    for name, field in FIELDS.items():
        shown = "" if field.default in ("", (), {}) else str(field.default)
        assert f"| `{name}` | {shown} | {field.metadata['help']} |" in rows


def test_every_word_of_the_demo_is_in_its_manual() -> None:
    manual = (DOC / "demo.md").read_text("utf-8")
    table = [line for line in (script.__doc__ or "").splitlines() if line.startswith("``")]
    assert len(table) > 15
    for line in table:
        word = line.split("``")[1]
        assert f"`{word}`" in manual, word
