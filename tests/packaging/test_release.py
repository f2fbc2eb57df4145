"""What a release consists of: the script, the pinned versions, and whose code is in it."""

from __future__ import annotations

import configparser
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


ROOT = Path(__file__).parent.parent.parent


def pinned() -> dict[str, str]:
    """The versions of constraints.txt."""
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pins = [line.partition("#")[0].strip() for line in lines if not line.startswith("#")]
    return {
        canonicalize_name(name): version for name, _, version in (p.partition("==") for p in pins)
    }


def declared() -> list[Requirement]:
    """What setup.cfg requires, with the extra `cli`."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", "utf-8")
    told = config["options"]["install_requires"] + config["options.extras_require"]["cli"]
    return [Requirement(line) for line in told.splitlines() if line.strip()]


def test_the_pinned_versions_are_those_that_setup_cfg_allows() -> None:
    pins = pinned()
    for requirement in declared():
        assert requirement.specifier.contains(pins[canonicalize_name(requirement.name)])


def test_constraints_have_versions_and_licences_and_nothing_else() -> None:
    text = (ROOT / "constraints.txt").read_text("utf-8")
    for line in text.splitlines():
        assert re.fullmatch(r"#.*|[a-z0-9-]+==[0-9][0-9a-z.]*  # .+", line), line
    # No address: what is installed comes from where the user's pip takes it.
    assert "://" not in text


def test_there_is_no_release_of_what_is_not_committed(tmp_path: Path) -> None:
    git = shutil.which("git")
    if git is None:
        pytest.skip("there is no git")
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts" / "release", tmp_path / "scripts")
    env = {"PATH": os.defpath, "HOME": str(tmp_path / "home")}
    subprocess.run([git, "init", "--quiet"], cwd=tmp_path, env=env, check=True)
    done = subprocess.run(
        ["scripts/release", "false"], cwd=tmp_path, env=env, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "not committed" in done.stderr
    assert not (tmp_path / "dist").exists()


def test_vendored_code_has_its_licence_beside_it_and_in_the_manual() -> None:
    """Vendored is what is in a folder of this name; only a package's own files are there."""
    manual = (ROOT / "doc" / "releasing.md").read_text("utf-8")
    for folder in (ROOT / "claudeproxy").rglob("vendor"):
        packages = [path for path in folder.iterdir() if path.is_dir()]
        assert packages, f"{folder} has no package"
        for package in packages:
            assert list(package.glob("LICENSE*")), f"{package} has no licence"
            assert f"`{package.name}`" in manual
