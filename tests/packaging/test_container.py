"""The Dockerfile: what can be known of it without a registry to build it with."""

from __future__ import annotations

import http.server
import json
import re
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from claudeproxy.settings import Settings, load
from claudeproxy.web import guard


ROOT = Path(__file__).parent.parent.parent


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions with their arguments."""
    lines = (ROOT / "Dockerfile").read_text("utf-8").splitlines()
    text = "\n".join(line for line in lines if line and not line.startswith("#"))
    joined = text.replace("\\\n", "").splitlines()
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in joined)]


def last_stage() -> dict[str, list[str]]:
    """The arguments of each instruction of the stage that becomes the image."""
    stage: dict[str, list[str]] = {}
    for name, rest in instructions():
        if name == "FROM":
            stage = {}
        stage.setdefault(name, []).append(rest)
    return stage


def environment() -> dict[str, str]:
    """What ENV sets."""
    return dict(re.findall(r"(\w+)=(\S+)", " ".join(last_stage()["ENV"])))


def test_hadolint_finds_no_fault() -> None:
    hadolint = shutil.which("hadolint", path=str(Path(sys.executable).parent))
    if hadolint is None:
        pytest.skip("there is no hadolint for this machine")
    done = subprocess.run(
        [hadolint, ROOT / "Dockerfile"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_server_does_not_run_as_root() -> None:
    stage = last_stage()
    [user], [uid] = stage["USER"], stage["ARG"]
    assert user == "$UID"
    name, _, number = uid.partition("=")
    assert name == "UID"
    assert int(number) > 0
    # useradd refuses an id that is in use, such as that of root.
    assert any(re.match(r'useradd --uid "\$UID" --create-home ', run) for run in stage["RUN"])
    names = [name for name, _ in instructions()]
    assert "RUN" not in names[names.index("USER") :]


def test_it_listens_for_other_machines_and_so_needs_keys() -> None:
    set_here = {k: v for k, v in environment().items() if k.startswith("CLAUDEPROXY_")}
    settings = load({}, set_here)
    assert settings.interface == "0.0.0.0"
    assert not settings.insecure
    assert not settings.keys
    assert last_stage()["EXPOSE"] == [str(Settings().port)]


def test_it_runs_the_server_with_the_options_that_are_given() -> None:
    # The exec form: SIGTERM reaches the server, and not a shell.
    assert json.loads(last_stage()["ENTRYPOINT"][0]) == ["claudeproxy", "serve"]
    assert "CMD" not in last_stage()


@contextmanager
def answering(status: int) -> Iterator[str]:
    """The port of a server that answers GET /health with this status."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/health" else 404)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield str(server.server_port)
        server.shutdown()
        thread.join()


def healthy(port: str) -> bool:
    """Runs the health check as the container does."""
    [check] = last_stage()["HEALTHCHECK"]
    name, *words = json.loads(check.partition(" CMD ")[2])
    assert name == "python"
    # A proxy of the environment must not be asked.
    env = {"CLAUDEPROXY_PORT": port, "http_proxy": "http://127.0.0.1:1"}
    done = subprocess.run([sys.executable, *words], env=env, capture_output=True, timeout=60)
    return done.returncode == 0


def test_the_health_check_is_healths() -> None:
    assert b"/health" in guard.OPEN_PATHS
    for status, expected in ((200, True), (503, False), (404, False)):
        with answering(status) as port:
            assert healthy(port) is expected
    assert not healthy(port)


def allowed_by_dockerignore() -> list[str]:
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    first, *rest = [line for line in lines if not line.startswith("#")]
    assert first == "*"
    assert [line for line in rest if not line.startswith("!")] == ["**/__pycache__"]
    return [line[1:] for line in rest if line.startswith("!")]


def test_the_build_gets_what_it_needs(tmp_path: Path) -> None:
    pytest.importorskip("build", reason="the extra `test` brings setuptools")
    source = tmp_path / "source"
    source.mkdir()
    for name in allowed_by_dockerignore():
        path = ROOT / name
        if path.is_dir():
            shutil.copytree(path, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(path, source / name)
    subprocess.run(
        [
            *(sys.executable, "-I", "-m", "build", "--no-isolation", "--wheel"),
            *("--outdir", tmp_path / "out", source),
        ],
        check=True,
        capture_output=True,
        timeout=120,
    )
    [wheel] = (tmp_path / "out").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    ours = [path for path in (ROOT / "claudeproxy").rglob("*") if path.is_file()]
    files = {str(p.relative_to(ROOT)) for p in ours if "__pycache__" not in p.parts}
    assert {n for n in names if ".dist-info/" not in n} == {
        *files,
        "twisted/plugins/claudeproxy_plugin.py",
    }


def test_the_docs_docker_commands_fit_the_dockerfile() -> None:
    text = (ROOT / "doc" / "service.md").read_text("utf-8")
    section = text.partition("\n## Docker\n")[2].partition("\n## ")[0]
    assert '--build-arg UID="$(id -u)"' in section
    assert f'"$HOME/.claude:{environment()["HOME"]}/.claude"' in section
    port = Settings().port
    # Not on the addresses of the host's network.
    assert f"-p 127.0.0.1:{port}:{port}" in section
    assert "-e CLAUDEPROXY_KEYS " in section
    [stop] = re.findall(r"--stop-timeout (\d+)", section)
    assert int(stop) > Settings().drain + 10
