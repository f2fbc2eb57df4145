"""The layers of the package: which modules may import which, and how long a module may be."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pytest


ROOT = Path(__file__).parent.parent
PACKAGE = "claudeproxy"
LONGEST = 400

CORE = frozenset(
    {
        *("__init__", "conversation", "events", "errors", "settings", "metrics", "timers"),
        *("log", "plan_usage", "condition", "files", "options", "notify", "hangups"),
        *("schema_parts", "answering", "answer_turn", "client_texts", "remembered"),
    }
)
EVERYTHING = CORE | {
    *("health", "dialects", "catalogue", "structured", "api_tools"),
    *("cli", "pool", "web", "demo"),
}
# What each top-level module or package may import; a package stands for all its modules.
MAY_IMPORT = {
    **dict.fromkeys(CORE, CORE),
    "catalogue": CORE,
    "dialects": CORE,
    "cli": CORE,
    "pool": CORE | {"cli"},
    "structured": CORE,
    "api_tools": CORE | {"structured"},
    "web": CORE | {"catalogue", "dialects", "pool", "structured"},
    "demo": CORE,
    "health": CORE,
    "service": EVERYTHING,
    "tap": CORE | {"service", "web"},
    "command": EVERYTHING | {"service", "tap"},
    "__main__": {"command"},
}
# Exceptions for single modules.
EXCEPTIONS = {("demo", "claudeproxy.web.connections")}

# Modules and packages that must not depend on a reactor, a clock or a socket.
PURE = (
    *("conversation", "events", "errors", "catalogue", "dialects", "plan_usage", "schema_parts"),
    *("answering", "answer_turn", "api_tools", "remembered"),
    *("condition.login", "condition.machine", "condition.faults", "condition.versions"),
    "condition.install_hint",
    *("cli.lines", "cli.session", "cli.answer", "cli.incoming", "cli.outgoing", "cli.failures"),
    *("cli.notices", "cli.mcp", "cli.calls", "cli.stops", "cli.output_tool"),
    *("cli.state", "cli.usage"),
    *("cli.naming", "cli.argument_names", "cli.outbox", "cli.plan", "cli.marks", "cli.replay"),
    *("cli.turn_reader", "cli.readers", "cli.turn_settings"),
    "structured",
    *("pool.roster", "pool.slot", "pool.overlap", "pool.habits", "pool.results"),
    *("pool.pace", "pool.backoff"),
    *("demo.prompt_cache", "demo.formats", "demo.schemas", "demo.structured", "demo.patterns"),
    *("demo.strings", "demo.server_tools", "demo.web_results", "demo.web_history"),
    *("demo.web_turn", "demo.web_guess"),
    "web.paths",
    "web.codings",
    "web.access",
    "web.facts",
    *("web.status.history", "web.status.view", "web.status.page", "web.status.accept"),
    *("command.doctor.findings", "command.doctor.facts", "client_texts"),
    "command.manage.files",
)
IMPURE = {
    *("twisted", "klein", "treq", "zope", "os", "time", "socket", "select", "signal"),
    *("subprocess", "threading", "asyncio", "tempfile", "shutil", "pathlib", "random", "secrets"),
}


def names_of_modules() -> Iterator[tuple[str, Path]]:
    for path in sorted((ROOT / PACKAGE).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


MODULES = dict(names_of_modules())


def imported(source: str, module: str, *, is_package: bool = False) -> set[str]:
    """The full names that a module imports, at any place in its source."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                up = node.level - 1 if is_package else node.level
                parents = module.split(".")
                home = parents[: len(parents) - up]
                base = ".".join([*home, base] if base else home)
            for alias in node.names:
                full = f"{base}.{alias.name}"
                found.add(full if full in MODULES else base)
    return found


GRAPH = {
    module: imported(path.read_text("utf-8"), module, is_package=path.name == "__init__.py")
    for module, path in MODULES.items()
}


def is_internal(name: str) -> bool:
    return name == PACKAGE or name.startswith(PACKAGE + ".")


def component(name: str) -> str:
    parts = name.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def internal_imports() -> Iterator[tuple[str, str]]:
    for module, names in GRAPH.items():
        yield from ((module, name) for name in sorted(names) if is_internal(name))


def transitive_imports(module: str) -> set[str]:
    """All names that importing a module imports, directly and through other modules."""
    seen: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        waiting.extend(GRAPH.get(name, ()))
        if is_internal(name) and "." in name:
            waiting.append(name.rpartition(".")[0])
    return seen


@pytest.mark.parametrize(
    ("source", "module", "names"),
    [
        ("import twisted.web.server", "claudeproxy.tap", {"twisted.web.server"}),
        ("import claudeproxy.cli.lines as x", "claudeproxy.tap", {"claudeproxy.cli.lines"}),
        ("from claudeproxy.cli import lines", "claudeproxy.tap", {"claudeproxy.cli.lines"}),
        ("from claudeproxy.cli.lines import encode", "claudeproxy.tap", {"claudeproxy.cli.lines"}),
        ("from claudeproxy import errors", "claudeproxy.tap", {"claudeproxy.errors"}),
        ("from .cli import lines", "claudeproxy.tap", {"claudeproxy.cli.lines"}),
        ("from . import errors, __version__", "claudeproxy.tap", {PACKAGE, "claudeproxy.errors"}),
        ("from . import lines", "claudeproxy.cli.session", {"claudeproxy.cli.lines"}),
        ("from ..errors import APIError", "claudeproxy.cli.session", {"claudeproxy.errors"}),
        ("from .. import errors", "claudeproxy.cli.session", {"claudeproxy.errors"}),
        ("def f():\n    from ..web import app", "claudeproxy.cli.pool", {"claudeproxy.web.app"}),
    ],
)
def test_the_imports_of_a_source_are_found(source: str, module: str, names: set[str]) -> None:
    assert imported(source, module) == names


def test_relative_imports_in_an_init_file_are_relative_to_its_package() -> None:
    assert imported("from ..errors import APIError", "claudeproxy.cli", is_package=True) == {
        "claudeproxy.errors"
    }
    assert imported("from . import lines", "claudeproxy.cli", is_package=True) == {
        "claudeproxy.cli.lines"
    }


def test_the_graph_contains_the_whole_package() -> None:
    assert "claudeproxy.errors" in GRAPH["claudeproxy.events"]
    assert "claudeproxy.cli.session" in GRAPH["claudeproxy.cli.process"]
    assert "twisted.internet.defer" in transitive_imports("claudeproxy.tap")


def test_every_component_has_an_import_rule() -> None:
    assert {component(module) for module in MODULES} == set(MAY_IMPORT)


def test_every_import_within_the_package_exists() -> None:
    assert {name for _, name in internal_imports()} <= set(MODULES)


def forbidden(imports: Iterable[tuple[str, str]]) -> list[str]:
    """The imports between components that MAY_IMPORT does not allow."""
    return [
        f"{module} imports {name}"
        for module, name in imports
        if component(module) != component(name)
        and component(name) not in MAY_IMPORT[component(module)]
        and (component(module), name) not in EXCEPTIONS
    ]


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("claudeproxy.cli.process", "claudeproxy.pool.job"),
        ("claudeproxy.cli.session", "claudeproxy.dialects.chat.request"),
        ("claudeproxy.pool.pool", "claudeproxy.web.exchange"),
        ("claudeproxy.pool.pool", "claudeproxy.dialects"),
        ("claudeproxy.dialects.tools", "claudeproxy.cli.mcp"),
        ("claudeproxy.web.exchange", "claudeproxy.cli.process"),
        ("claudeproxy.web.app", "claudeproxy.service"),
        ("claudeproxy.demo.server", "claudeproxy.cli.lines"),
        ("claudeproxy.demo.server", "claudeproxy.web.app"),
        ("claudeproxy.service", "claudeproxy.tap"),
    ],
)
def test_forbidden_imports_are_found(module: str, name: str) -> None:
    assert forbidden([(module, name)]) == [f"{module} imports {name}"]


def test_no_import_is_forbidden() -> None:
    assert forbidden(internal_imports()) == []


@pytest.mark.parametrize("upper", ["claudeproxy.dialects", "claudeproxy.web", "claudeproxy.pool"])
def test_the_cli_package_depends_on_no_dialect_no_web_and_no_pool(upper: str) -> None:
    for module in MODULES:
        if component(module) == "cli":
            names = transitive_imports(module)
            assert not {n for n in names if n == upper or n.startswith(upper + ".")}, module


def test_only_tap_and_the_self_test_import_the_service() -> None:
    assert [module for module, name in internal_imports() if name == "claudeproxy.service"] == [
        "claudeproxy.command.doctor.self_test",
        "claudeproxy.tap",
    ]


def cycles(graph: Mapping[str, Iterable[str]]) -> set[str]:
    """The modules that are part of an import cycle."""

    def reached(module: str) -> set[str]:
        seen: set[str] = set()
        waiting = list(graph[module])
        while waiting:
            name = waiting.pop()
            if name in graph and name not in seen:
                seen.add(name)
                waiting.extend(graph[name])
        return seen

    return {module for module in graph if module in reached(module)}


@pytest.mark.parametrize(
    ("graph", "found"),
    [
        ({"a": ["b"], "b": ["c"], "c": []}, set()),
        ({"a": ["b"], "b": ["a"], "c": ["a"]}, {"a", "b"}),
        ({"a": ["b"], "b": ["c"], "c": ["a"]}, {"a", "b", "c"}),
    ],
)
def test_import_cycles_are_found(graph: dict[str, list[str]], found: set[str]) -> None:
    assert cycles(graph) == found


def test_imports_under_type_checking_count() -> None:
    source = "if TYPE_CHECKING:\n    from .pool import Pool"
    assert imported(source, "claudeproxy.pool.job") == {"claudeproxy.pool.pool"}


def test_there_is_no_import_cycle() -> None:
    assert cycles(GRAPH) == set()


@pytest.mark.parametrize("module", PURE)
def test_pure_modules_import_nothing_impure(module: str) -> None:
    names = transitive_imports(f"{PACKAGE}.{module}")
    assert f"{PACKAGE}.{module}" in MODULES
    assert {name for name in names if name.split(".")[0] in IMPURE} == set()


def test_no_module_is_too_long() -> None:
    lengths = {name: len(path.read_text("utf-8").splitlines()) for name, path in MODULES.items()}
    assert {name: length for name, length in lengths.items() if length > LONGEST} == {}


def test_the_twisted_folder_contains_only_the_plugin() -> None:
    assert not (ROOT / "twisted" / "__init__.py").exists()
    assert not (ROOT / "twisted" / "plugins" / "__init__.py").exists()
    assert [path.name for path in (ROOT / "twisted").rglob("*.py")] == ["claudeproxy_plugin.py"]


def test_the_plugin_imports_only_service_maker() -> None:
    source = (ROOT / "twisted" / "plugins" / "claudeproxy_plugin.py").read_text("utf-8")
    statements = [
        ast.unparse(node)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, (ast.Import, ast.ImportFrom))
    ]
    assert statements == ["from twisted.application.service import ServiceMaker"]
