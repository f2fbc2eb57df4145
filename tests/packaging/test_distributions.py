"""The source distribution and the wheel: what is in them, and what an index shows of them."""

from __future__ import annotations

import configparser
import re
import runpy
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email.message import Message
from email.parser import BytesParser
from pathlib import Path

import attrs
import pytest

import claudeproxy


ROOT = Path(__file__).parent.parent.parent
# What a checkout may hold beside the repository's files.
NOT_OURS = (
    *(".git", ".venv", ".cli", ".clients", "node_modules", "build", "dist", "*.egg-info"),
    *("__pycache__", ".hypothesis", ".mypy_cache", ".ruff_cache", ".pytest_cache"),
)
# Stands for whatever data file a package may come to need.
PLANTED = ("claudeproxy/web/planted.html", "claudeproxy/planted/planted.service")

for needed in ("build", "check_wheel_contents", "twine"):
    pytest.importorskip(needed, reason=f"the extra `test` brings {needed}")


@attrs.frozen
class Built:
    """The two distributions, and the names of the files in them."""

    sdist: Path
    wheel: Path

    def source_files(self) -> set[str]:
        with tarfile.open(self.sdist) as tar:
            return {m.name.partition("/")[2] for m in tar.getmembers() if m.isfile()}

    def wheel_files(self) -> set[str]:
        with zipfile.ZipFile(self.wheel) as archive:
            return set(archive.namelist())

    def info(self, name: str) -> bytes:
        folder = f"claudeproxy-{claudeproxy.__version__}.dist-info"
        with zipfile.ZipFile(self.wheel) as archive:
            return archive.read(f"{folder}/{name}")

    def metadata(self) -> Message:
        return BytesParser().parsebytes(self.info("METADATA"))


def run(module: str, *arguments: str | Path, cwd: Path) -> str:
    """Run a tool of this Python's; its output."""
    command = [sys.executable, "-I", "-m", module, *arguments]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """As `python -m build` makes them: the wheel from the source distribution."""
    copy = tmp_path_factory.mktemp("packaging") / "checkout"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*NOT_OURS), symlinks=True)
    for name in PLANTED:
        (copy / name).parent.mkdir(exist_ok=True)
        (copy / name).write_text(f"planted: {name}\n")
    out = copy.parent / "out"
    # Isolation would fetch setuptools; the extra `test` has it.
    run("build", "--no-isolation", "--outdir", out, copy, cwd=copy.parent)
    [sdist] = out.glob("*.tar.gz")
    [wheel] = out.glob("*.whl")
    return Built(sdist, wheel)


def test_the_source_distribution_has_every_file_of_the_repository(built: Built) -> None:
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("this is not a checkout")
    listed = subprocess.run([git, "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    files = {name for name in listed.stdout.splitlines() if (ROOT / name).exists()}
    assert "tests/packaging/test_distributions.py" in built.source_files()
    assert files - built.source_files() == set()


def test_the_wheel_has_every_file_of_the_package(built: Built) -> None:
    ours = (path.relative_to(ROOT) for path in (ROOT / "claudeproxy").rglob("*") if path.is_file())
    files = {str(path) for path in ours if "__pycache__" not in path.parts}
    assert {"claudeproxy/py.typed", "claudeproxy/__main__.py"} <= files
    in_wheel = {name for name in built.wheel_files() if name.startswith("claudeproxy/")}
    assert in_wheel == files | set(PLANTED)


def test_the_wheel_has_the_plugin_and_nothing_else_beside_the_package(built: Built) -> None:
    others = {name for name in built.wheel_files() if not name.startswith("claudeproxy/")}
    # With an __init__.py, Twisted's own package would be hidden.
    assert {name for name in others if ".dist-info/" not in name} == {
        "twisted/plugins/claudeproxy_plugin.py"
    }


def test_the_metadata_is_complete(built: Built) -> None:
    metadata = built.metadata()
    assert metadata["Name"] == "claudeproxy"
    assert metadata["Version"] == claudeproxy.__version__
    assert metadata["Summary"]
    assert metadata["Author"] == "the claudeproxy authors"
    assert metadata["License-Expression"] == "MIT"
    assert (ROOT / "LICENSE").read_text("utf-8").startswith("MIT License\n")
    assert built.info("licenses/LICENSE") == (ROOT / "LICENSE").read_bytes()
    assert metadata["Keywords"]
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert "Framework :: Twisted" in metadata.get_all("Classifier", [])
    assert "cli" in metadata.get_all("Provides-Extra", [])


def test_the_wheel_has_the_commands(built: Built) -> None:
    entries = configparser.ConfigParser()
    entries.read_string(built.info("entry_points.txt").decode())
    assert {"claudeproxy", "claudeproxy-twistd"} <= set(entries["console_scripts"])


def test_the_description_is_the_readme_without_links_to_files(built: Built) -> None:
    description = str(built.metadata().get_payload())
    readme = (ROOT / "README.md").read_text("utf-8")
    assert description.startswith(readme.partition("![")[0])
    assert "![" not in description
    targets = re.findall(r"\]\(([^)]+)\)", description)
    assert targets
    assert [target for target in targets if not target.startswith("https://")] == []


def test_the_description_names_only_files_of_the_source_distribution(built: Built) -> None:
    named = set(re.findall(r"doc/[\w/-]+\.md", str(built.metadata().get_payload())))
    assert "doc/service.md" in named
    assert named <= built.source_files()


@pytest.mark.parametrize(
    ("readme", "shown"),
    [
        ("[doc/a.md](doc/a.md)", "doc/a.md"),
        ("[yes](doc/a.md#part)", "yes (doc/a.md)"),
        ("![A picture](doc/a.svg)\n\nText", "Text"),
        ("![A picture](https://example.org/a.svg)", "![A picture](https://example.org/a.svg)"),
        ("[terms\nof](https://example.org/a)", "[terms\nof](https://example.org/a)"),
        ("[above](#start)", "[above](#start)"),
        ("`list[0](x y)`", "`list[0](x y)`"),
    ],
)
def test_links_to_files_become_text(readme: str, shown: str) -> None:
    for_an_index = runpy.run_path(str(ROOT / "setup.py"))["for_an_index"]
    assert for_an_index(readme).splitlines()[: shown.count("\n") + 1] == shown.splitlines()


def test_the_tools_that_check_distributions_find_no_fault(built: Built) -> None:
    run("twine", "check", "--strict", built.sdist, built.wheel, cwd=built.wheel.parent)
    run(
        *("check_wheel_contents", "--config", ROOT / "pyproject.toml", built.wheel),
        cwd=built.wheel.parent,
    )
