"""Settings from the command line, the environment and the file, and their defaults."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import platformdirs
import pytest

from claudeproxy.settings import (
    FIELDS,
    Settings,
    SettingsError,
    exposed_files,
    load,
    load_sources,
)
from claudeproxy.tap import Options


# A value of each kind that is not the default: as text, as TOML, and what it becomes.
KINDS = [
    ("port", "80", "80", 80),
    ("interface", "::1", '"::1"', "::1"),
    ("demo", "true", "true", True),
    ("pass_environment", "ONE, TWO", '["ONE", "TWO"]', ("ONE", "TWO")),
    ("aliases", "a=opus, b=haiku", '{a = "opus", b = "haiku"}', {"a": "opus", "b": "haiku"}),
    ("longest_retry", "2.5", "2.5", 2.5),
    ("drain", "0", "0", 0.0),
    ("body_limit", "1024", "1024", 1024),
]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


@pytest.fixture(autouse=True)
def usual_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration folder without a file in it, instead of the user's own."""

    def user_config_path(app: str) -> Path:
        return tmp_path / "usual" / app

    monkeypatch.setattr(platformdirs, "user_config_path", user_config_path)
    folder = user_config_path("claudeproxy")
    folder.mkdir(parents=True)
    return folder


def refused(given: dict[str, Any], environ: dict[str, str], file: Path | None = None) -> str:
    with pytest.raises(SettingsError) as caught:
        load(given, environ, file)
    return str(caught.value)


def test_without_any_settings_the_defaults_apply() -> None:
    assert load({}, {}) == Settings()
    assert (Settings().port, Settings().interface) == (3456, "127.0.0.1")


@pytest.mark.parametrize(("name", "text", "toml", "value"), KINDS)
def test_each_kind_is_read_from_the_command_line(
    name: str, text: str, toml: str, value: Any
) -> None:
    assert getattr(load({name: text}, {}), name) == value


@pytest.mark.parametrize(("name", "text", "toml", "value"), KINDS)
def test_each_kind_is_read_from_the_environment(
    name: str, text: str, toml: str, value: Any
) -> None:
    assert getattr(load({}, {f"CLAUDEPROXY_{name.upper()}": text}), name) == value


@pytest.mark.parametrize(("name", "text", "toml", "value"), KINDS)
def test_each_kind_is_read_from_the_file(
    config: Path, name: str, text: str, toml: str, value: Any
) -> None:
    config.write_text(f"{name} = {toml}\n", "utf-8")
    assert getattr(load({}, {}, config), name) == value


def test_the_command_line_wins_over_the_environment_and_that_over_the_file(config: Path) -> None:
    config.write_text("port = 1\nbody_limit = 1024\ndrain = 1\nlongest_retry = 1\n", "utf-8")
    environ = {"CLAUDEPROXY_PORT": "2", "CLAUDEPROXY_DRAIN": "2"}
    settings = load({"port": "3"}, environ, config)
    assert (settings.port, settings.drain, settings.longest_retry) == (3, 2.0, 1.0)
    assert settings.start_timeout == Settings().start_timeout


def test_the_usual_file_is_read_where_there_is_one(usual_place: Path) -> None:
    (usual_place / "config.toml").write_text("port = 99\n", "utf-8")
    assert load({}, {}).port == 99


def test_other_environment_variables_are_ignored() -> None:
    assert load({}, {"PORT": "1", "CLAUDE_PORT": "2", "PROXY_PORT": "3"}) == Settings()


def test_every_default_is_a_valid_value() -> None:
    for name, field in FIELDS.items():
        assert field.metadata["read"](field.default) == field.default, name


def test_every_setting_has_help() -> None:
    assert all(len(field.metadata["help"]) > 10 for field in FIELDS.values())


def test_the_error_for_an_unknown_setting_names_the_file(config: Path) -> None:
    config.write_text("prot = 80\n", "utf-8")
    assert refused({}, {}, config) == f"{config}: unknown setting 'prot'"


def test_a_missing_settings_file_is_an_error(config: Path) -> None:
    assert refused({}, {}, config).startswith(f"{config}: ")


@pytest.mark.parametrize("content", [b"port =", b"\xff\xfe", b"port = 1\nport = 2\n"])
def test_a_file_that_is_not_toml_is_an_error(config: Path, content: bytes) -> None:
    config.write_bytes(content)
    assert refused({}, {}, config).startswith(f"{config}: ")


BAD_TEXTS = [
    ("port", "http", None),
    ("port", "-1", "must be an integer from 0 to 65535"),
    ("port", "65536", "must be an integer from 0 to 65535"),
    ("port", "1.5", None),
    ("port", "", None),
    ("demo", "maybe", "must be true or false"),
    ("demo", "", "must be true or false"),
    ("longest_retry", "soon", None),
    ("longest_retry", "3601", "must be a number from 0 to 3600"),
    ("longest_retry", "nan", "must be a number from 0 to 3600"),
    ("longest_retry", "inf", "must be a number from 0 to 3600"),
    ("start_timeout", "0", "must be a number from 1 to 600"),
    ("body_limit", "10", "must be an integer from 1024 to 1073741824"),
    ("aliases", "opus", None),
]


@pytest.mark.parametrize(("name", "text", "why"), BAD_TEXTS)
def test_the_error_for_an_invalid_option_names_it(name: str, text: str, why: str | None) -> None:
    told = refused({name: text}, {})
    where = f"--{name.replace('_', '-')}: "
    assert told.startswith(where)
    assert why is None or told == where + why


@pytest.mark.parametrize(("name", "text", "why"), BAD_TEXTS)
def test_the_error_for_an_invalid_variable_names_it(name: str, text: str, why: str | None) -> None:
    told = refused({}, {f"CLAUDEPROXY_{name.upper()}": text})
    where = f"CLAUDEPROXY_{name.upper()}: "
    assert told.startswith(where)
    assert why is None or told == where + why


@pytest.mark.parametrize(
    ("name", "toml"),
    [
        ("port", "70000"),
        ("port", "80.0"),
        ("port", "inf"),
        ("port", "true"),
        ("port", "[80]"),
        ("interface", "127"),
        ("demo", "1"),
        ("pass_environment", "5"),
        ("pass_environment", "[5]"),
        ("aliases", "5"),
        ("aliases", "{mine = 5}"),
        ("drain", "[]"),
        ("drain", "nan"),
        ("drain", "true"),
        pytest.param("drain", "1" + "0" * 400, id="drain-too-large-for-a-float"),
    ],
)
def test_the_error_for_an_invalid_value_in_a_file_names_both(
    config: Path, name: str, toml: str
) -> None:
    config.write_text(f"{name} = {toml}\n", "utf-8")
    assert refused({}, {}, config).startswith(f"{config}: {name}: ")


@pytest.mark.parametrize(
    ("word", "value"),
    [("1", True), ("true", True), ("YES", True), ("0", False), ("False", False), ("no", False)],
)
def test_the_spellings_of_true_and_false(word: str, value: bool) -> None:
    assert load({}, {"CLAUDEPROXY_DEMO": word}).demo is value


def test_empty_names_in_a_list_are_dropped() -> None:
    assert load({"pass_environment": " A,, B ,"}, {}).pass_environment == ("A", "B")


def test_an_alias_may_be_of_any_other_name(config: Path) -> None:
    assert load({"aliases": "a=opus,*=sonnet"}, {}).aliases == {"a": "opus", "*": "sonnet"}
    config.write_text('[aliases]\na = "opus"\n"*" = "sonnet"\n', "utf-8")
    assert load({}, {}, config).aliases == {"a": "opus", "*": "sonnet"}


def test_an_alias_may_hold_an_equals_sign() -> None:
    assert load({"aliases": "a=b=c"}, {}).aliases == {"a": "b=c"}


def test_keys_come_from_a_file_and_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text("# mine\nlaptop = sk-a,b=c\n\nphone=sk-2\n")
    environ = {"CLAUDEPROXY_KEYS": "desk=sk-3", "CLAUDEPROXY_KEYS_FILE": str(file)}
    settings = load({}, environ)
    assert settings.keys == {"desk": "sk-3", "laptop": "sk-a,b=c", "phone": "sk-2"}
    assert "sk-" not in repr(settings)


@pytest.mark.parametrize(
    "text", ["", "# none\n", "sk-secret", "a=sk-secret\na=2", "=sk-secret", "a="]
)
def test_the_error_for_an_invalid_keys_file_does_not_quote_it(tmp_path: Path, text: str) -> None:
    file = tmp_path / "keys"
    file.write_text(text)
    with pytest.raises(SettingsError) as caught:
        load({"keys_file": str(file)}, {})
    assert str(file) in str(caught.value)
    assert "secret" not in str(caught.value)


def test_the_keys_file_must_exist(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="No such file"):
        load({"keys_file": str(tmp_path / "keys")}, {})


@pytest.mark.parametrize(
    "toml",
    [
        *('["ab"]', '["secretk"]', "5", '"secret"', '"a=secret,a=secret2"', '"=secret"'),
        *('{a = ""}', '{"" = "secret"}', "{a = 5}", '{a = "secret", " a" = "secret2"}'),
    ],
)
def test_the_error_for_invalid_keys_does_not_quote_them(config: Path, toml: str) -> None:
    config.write_text(f"keys = {toml}\n", "utf-8")
    told = refused({}, {}, config)
    assert told.startswith(f"{config}: keys: must ")
    assert "secret" not in told


def test_the_path_of_the_keys_file_may_begin_with_a_tilde(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "keys").write_text("a=b\n")
    assert load({"keys_file": "~/keys"}, {}).keys == {"a": "b"}


def test_origins_lose_a_trailing_slash_and_cannot_be_a_wildcard() -> None:
    given = {"allowed_origins": "https://chat.example/, app://obsidian.md"}
    assert load(given, {}).allowed_origins == ("https://chat.example", "app://obsidian.md")
    assert "every web page" in refused({"allowed_origins": "https://a.example,*"}, {})


def test_keys_is_not_a_command_line_option() -> None:
    options = [parameter[0] for parameter in Options.optParameters]
    assert "keys-file" in options
    assert "keys" not in options


# What can be wrong with a file


def test_a_variable_names_the_settings_file(config: Path) -> None:
    config.write_text("port = 80\n", "utf-8")
    environ = {"CLAUDEPROXY_CONFIG": str(config)}
    assert load({}, environ).port == 80
    other = config.with_name("other.toml")
    other.write_text("port = 81\n", "utf-8")
    assert load({}, environ, other).port == 81
    config.unlink()
    assert refused({}, environ) == f"{config}: No such file or directory"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"\xff\xfe", "not UTF-8"),
        (b"port =", "not valid TOML: Invalid value (at end of document)"),
    ],
)
def test_the_error_for_an_unreadable_content_is_one_line(
    config: Path, content: bytes, why: str
) -> None:
    config.write_bytes(content)
    assert refused({}, {}, config) == f"{config}: {why}"


def test_a_fifo_is_refused_at_once(tmp_path: Path, usual_place: Path) -> None:
    fifo = usual_place / "config.toml"
    os.mkfifo(fifo)
    assert refused({}, {}) == f"{fifo}: not a regular file"
    empty = tmp_path / "empty.toml"
    empty.touch()
    assert refused({"keys_file": str(fifo)}, {}, empty) == f"{fifo}: not a regular file"


def test_a_folder_is_not_a_settings_file(tmp_path: Path) -> None:
    assert refused({}, {}, tmp_path) == f"{tmp_path}: Is a directory"


def test_dev_null_is_an_empty_settings_file() -> None:
    assert load({}, {}, Path("/dev/null")) == Settings()


def test_a_configuration_folder_that_is_not_one_has_no_settings(usual_place: Path) -> None:
    usual_place.rmdir()
    usual_place.write_text("a file\n")
    assert load({}, {}) == Settings()


def test_a_configuration_folder_that_cannot_be_read_is_an_error(
    usual_place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "lstat", denied)
    assert refused({}, {}) == f"{usual_place / 'config.toml'}: Permission denied"


def test_each_setting_tells_where_it_was_set(config: Path) -> None:
    config.write_text("port = 1\ndrain = 1\n", "utf-8")
    sources = load_sources({"port": "3"}, {"CLAUDEPROXY_WORKERS": "2"}, config)
    assert sources.where == {
        "port": "--port",
        "drain": f"{config}: drain",
        "workers": "CLAUDEPROXY_WORKERS",
    }
    assert (sources.file, sources.exists) == (config, True)


def test_keys_that_others_can_read_are_a_warning(tmp_path: Path, config: Path) -> None:
    file = tmp_path / "keys"
    file.write_text("a=sk-secret\n")
    config.write_text('keys = "b=sk-secret"\n')
    config.chmod(0o600)
    for mode, warned in ((0o600, False), (0o640, True), (0o604, True)):
        file.chmod(mode)
        warnings = exposed_files(load_sources({"keys_file": str(file)}, {}, config))
        assert [str(file) in warning for warning in warnings] == [True] * warned
        assert "secret" not in "".join(warnings)
    file.chmod(0o600)
    config.chmod(0o644)
    [warning] = exposed_files(load_sources({"keys_file": str(file)}, {}, config))
    assert warning.startswith(f"{config}: other users can read")
    config.write_text("port = 1\n")
    assert exposed_files(load_sources({"keys_file": str(file)}, {}, config)) == []
