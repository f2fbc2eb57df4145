"""The documents agree with the settings, the demo and the fields of each dialect."""

from __future__ import annotations

import itertools
import re
import tomllib
from pathlib import Path

import pytest

from claudeproxy.demo import script
from claudeproxy.dialects.chat import schema as chat
from claudeproxy.dialects.completions import schema as completions
from claudeproxy.dialects.messages import schema as messages
from claudeproxy.dialects.parameters import Use
from claudeproxy.dialects.responses import schema as responses
from claudeproxy.metrics import Metrics
from claudeproxy.settings import FIELDS


ROOT = Path(__file__).parent.parent
DOC = ROOT / "doc"


def test_every_setting_is_in_the_manual_with_its_default_and_help() -> None:
    rows = (DOC / "configuration.md").read_text("utf-8").splitlines()
    for name, field in FIELDS.items():
        shown = "" if field.default in ("", (), {}) else str(field.default)
        assert f"| `{name}` | {shown} | {field.metadata['help']} |" in rows


def test_every_command_word_of_the_demo_is_in_its_manual() -> None:
    manual = (DOC / "demo.md").read_text("utf-8")
    table = [line for line in (script.__doc__ or "").splitlines() if line.startswith("``")]
    assert len(table) > 15
    for line in table:
        word = line.split("``")[1]
        assert f"`{word}`" in manual, word


def test_the_manual_describes_every_metric_with_its_labels() -> None:
    rows = [
        [cell.strip() for cell in line.split("|")[1:3]]
        for line in (DOC / "monitoring.md").read_text("utf-8").splitlines()
        if line.startswith("| `claudeproxy_")
    ]
    described = {name.strip("`"): set(re.findall(r"`(\w+)`", labels)) for name, labels in rows}
    metrics = Metrics()
    families = {
        f"{one.name}_total" if one.type == "counter" else one.name: one
        for one in metrics._registry.collect()
    }
    ours = {name for name in families if name.startswith("claudeproxy_")}
    assert {name.replace("_build_info", "_build") for name in described} == ours
    collectors = metrics._registry._names_to_collectors
    for name, labels in described.items():
        if "build" not in name:
            assert set(collectors[name]._labelnames) == labels, name  # type: ignore[attr-defined]


# The fields of each dialect are in the first table after this heading of a page.
TABLES = {
    "chat-completions.md": ("# POST /v1/chat/completions", chat.REQUEST),
    "messages.md": ("# Anthropic Messages", messages.REQUEST),
    "responses.md": ("# Responses", responses.REQUEST),
    "responses.md#completions": ("## Completions", completions.REQUEST),
}


def rows_of(page: str, heading: str) -> list[str]:
    lines = (DOC / page.partition("#")[0]).read_text("utf-8").splitlines()
    after = lines[next(n for n, line in enumerate(lines) if line.startswith(heading)) :]
    begun = next(n for n, line in enumerate(after) if line.startswith("| --- |"))
    return list(itertools.takewhile(lambda line: line.startswith("|"), after[begun + 1 :]))


def names_field(row: str, name: str) -> bool:
    """Whether the first cell of a row names a field, alone or at the beginning of a path."""
    first = row.split("|")[1]
    return re.search(rf"`{re.escape(name)}(?:[.:`\[ ])", first) is not None


@pytest.mark.parametrize("page", TABLES)
def test_the_manual_describes_every_field(page: str) -> None:
    heading, declared = TABLES[page]
    rows = rows_of(page, heading)
    for field in declared.fields:
        mine = [row for row in rows if names_field(row, field.name)]
        assert mine, f"{page} does not describe `{field.name}`"
        said = " ".join(mine)
        if field.use is Use.REFUSED:
            assert "400" in said, (field.name, said)
        elif field.use is Use.IGNORED:
            assert "gnored" in said, (field.name, said)
        else:
            assert not re.match(r"\|[^|]*\| ignored", mine[0]), (field.name, said)


@pytest.mark.parametrize("page", TABLES)
def test_the_manual_describes_no_undeclared_field(page: str) -> None:
    heading, declared = TABLES[page]
    known = {field.name for field in declared.fields}
    for row in rows_of(page, heading):
        first = row.split("|")[1]
        if first.startswith(
            (" blocks", " fields", " other", " files", " hosted", " order", " items")
        ):
            continue
        for name in re.findall(r"`([a-z_]+)", first):
            assert name in known or not first.strip().startswith(f"`{name}"), (name, row)


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_the_links_of_a_page_outside_the_site_lead_to_files(page: str) -> None:
    """`make docs` looks at those of the pages in doc/."""
    targets = re.findall(r"\]\(([^)#]+)[^)]*\)", (ROOT / page).read_text("utf-8"))
    files = [target for target in targets if not target.startswith("https://")]
    assert files
    assert [target for target in files if not (ROOT / target).exists()] == []


def test_every_news_fragment_has_a_known_kind_and_one_sentence_or_more() -> None:
    config = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["towncrier"]
    kinds = "|".join(kind["directory"] for kind in config["type"])
    for path in set((ROOT / config["directory"]).iterdir()) - {ROOT / "changes" / "README.md"}:
        assert re.fullmatch(rf"(\+[a-z-]+|\d+)\.({kinds})\.md", path.name)
        assert re.fullmatch(r"\S.*\.\n", path.read_text("utf-8")), path.name
