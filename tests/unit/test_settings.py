from __future__ import annotations

import pytest

from pipeline import checks
from pipeline.settings import Setting, SettingsParser, inherited_environment, switch

RATE = Setting("rate", "how fast", checks.number(minimum=0), 5.0, aliases=("--speed",))
NAMES = Setting("names", "which ones", checks.name, ["a"], count="many")
QUIET = switch("quiet", "say less")


def parser(**environment: str) -> SettingsParser:
    made = SettingsParser(prog="tool.py", description="A tool.", examples=["tool.py --rate 1"], environment=environment)
    made.section("pace", RATE, NAMES, QUIET)
    return made


@pytest.mark.parametrize(
    ("words", "environment", "expected"),
    [
        ([], {}, 5.0),
        ([], {"PIPELINE_RATE": "7"}, 7.0),
        ([], {"PIPELINE_RATE": ""}, 5.0),
        (["--rate", "9"], {"PIPELINE_RATE": "7"}, 9.0),
        (["--speed", "9"], {}, 9.0),
        (["--rate", "9"], {"PIPELINE_RATE": "nonsense"}, 9.0),
    ],
)
def test_a_flag_beats_the_environment_and_the_environment_beats_the_default(words, environment, expected):
    assert parser(**environment).parse_args(words).rate == expected


def test_a_secret_may_stand_in_a_file(tmp_path):
    path = tmp_path / "password"
    path.write_text("s e c r e t\n", encoding="utf-8")

    parsed = with_secret(PIPELINE_PASSWORD_FILE=str(path)).parse_args([])

    assert parsed.password == "s e c r e t"
    assert parsed.given == {"password": f"the file of PIPELINE_PASSWORD_FILE, {path}"}
    assert with_secret(PIPELINE_PASSWORD_FILE=str(path)).parse_args(["--password", "flag"]).password == "flag"


def with_secret(**environment: str) -> SettingsParser:
    made = SettingsParser(prog="tool.py", description="A tool.", examples=["tool.py"], environment=environment)
    made.section("who", Setting("password", "the word", secret=True))
    return made


@pytest.mark.parametrize(
    ("content", "more", "message"),
    [
        (None, {}, "it cannot be read: No such file or directory; check"),
        (b"", {}, "it does not hold one line"),
        (b"\n", {}, "it does not hold one line"),
        (b"hush\nmore\n", {}, "it does not hold one line"),
        (b"hush\xff", {}, "it is no text"),
        (b"hush", {"PIPELINE_PASSWORD": "hush"}, "PIPELINE_PASSWORD and PIPELINE_PASSWORD_FILE are both set"),
    ],
)
def test_a_wrong_file_of_a_secret_is_one_line_without_the_secret(tmp_path, content, more, message, capsys):
    path = tmp_path / "password"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(SystemExit):
        with_secret(PIPELINE_PASSWORD_FILE=str(path), **more).parse_args([])

    [line] = capsys.readouterr().err.splitlines()
    assert message in line
    assert "hush" not in line


def test_settings_that_were_given_are_told_from_defaults():
    given = parser(PIPELINE_QUIET="yes").parse_args(["--names", "x", "y"])

    assert (given.names, given.quiet) == (["x", "y"], True)
    assert set(given.given) == {"names", "quiet"}


@pytest.mark.parametrize(
    ("words", "environment", "message"),
    [
        (["--rate", "fast"], {}, "tool.py: --rate: 'fast' is not a number"),
        ([], {"PIPELINE_RATE": "fast"}, "tool.py: environment variable PIPELINE_RATE: 'fast' is not a number"),
        ([], {"PIPELINE_QUIET": "perhaps"}, "tool.py: environment variable PIPELINE_QUIET: 'perhaps' is neither"),
        (["--rat", "1"], {}, "tool.py: unrecognized arguments: --rat 1"),
        (
            ["--rate"],
            {},
            "tool.py: --rate/--speed: its value is missing; one that begins with a dash is given as --rate=-…",
        ),
    ],
)
def test_a_wrong_value_ends_with_code_2_and_one_line_that_names_its_origin(words, environment, message, capsys):
    with pytest.raises(SystemExit) as leaving:
        parser(**environment).parse_args(words)

    lines = capsys.readouterr().err.splitlines()
    assert leaving.value.code == 2
    assert len(lines) == 1
    assert lines[0].startswith(message)


def with_commands(**environment: str) -> SettingsParser:
    made = SettingsParser(
        prog="tool.py", description="A tool.", examples=["tool.py run"], environment=environment, with_commands=True
    )
    made.command("run", help="run it", examples=["tool.py run"]).section("pace", RATE)
    made.command("list", help="list them", examples=["tool.py list"]).section("which", NAMES)
    return made


def test_each_command_has_settings_of_its_own_filled_from_the_environment():
    parsed = with_commands(PIPELINE_RATE="7", PIPELINE_DEBUG="1").parse_args(["run"])

    assert (parsed.command, parsed.rate, parsed.debug) == ("run", 7.0, True)
    assert parsed.given == {
        "rate": "environment variable PIPELINE_RATE",
        "debug": "environment variable PIPELINE_DEBUG",
    }
    assert not hasattr(parsed, "names")


def test_an_environment_variable_of_another_command_is_not_looked_at():
    assert with_commands(PIPELINE_RATE="nonsense").parse_args(["list", "--names", "b"]).names == ["b"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "tool.py: the following arguments are required: COMMAND"),
        (["walk"], "tool.py: COMMAND: invalid choice: 'walk'"),
        (["run", "--rate", "fast"], "tool.py run: --rate: 'fast' is not a number"),
        (["run", "--names", "x"], "tool.py: unrecognized arguments: --names x"),
    ],
)
def test_a_wrong_command_or_option_is_one_line(words, message, capsys):
    with pytest.raises(SystemExit) as leaving:
        with_commands().parse_args(words)

    lines = capsys.readouterr().err.splitlines()
    assert leaving.value.code == 2
    assert len(lines) == 1
    assert lines[0].startswith(message)


def test_help_says_default_and_environment_variable(capsys):
    with pytest.raises(SystemExit):
        with_commands().parse_args(["run", "--help"])

    assert "how fast (default: 5; PIPELINE_RATE)" in " ".join(capsys.readouterr().out.split())


def test_a_child_inherits_the_environment_with_changes(monkeypatch):
    monkeypatch.setenv("KEPT", "1")
    monkeypatch.setenv("TAKEN_OUT", "1")

    environment = inherited_environment(TAKEN_OUT=None, ADDED="2")

    assert environment["KEPT"] == "1"
    assert environment["ADDED"] == "2"
    assert "TAKEN_OUT" not in environment


def test_a_file_fills_what_neither_flag_nor_environment_says(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('rate = 7\nnames = ["b", "c"]\nquiet = true\nsasl-username = "of another script"\n')

    told = parser(PIPELINE_SETTINGS=str(path)).parse_args([])

    assert (told.rate, told.names, told.quiet) == (7.0, ["b", "c"], True)
    assert told.given["rate"] == f"rate in {path}"
    assert parser(PIPELINE_SETTINGS="elsewhere").parse_args(["--settings", str(path)]).rate == 7.0
    assert parser(PIPELINE_SETTINGS=str(path), PIPELINE_RATE="8").parse_args([]).rate == 8.0
    assert parser(PIPELINE_SETTINGS=str(path), PIPELINE_RATE="8").parse_args(["--rate", "9"]).rate == 9.0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "--settings FILE: it cannot be read: No such file or directory; check the path"),
        (b"rate = \xff", "--settings FILE: it is no text"),
        (b"rate: 7", "--settings FILE: it is no TOML: Expected '=' after a key"),
        (b"rates = 7", "--settings FILE: there is no setting 'rates'; is rate meant?"),
        (b"xyzzy = 7", "--settings FILE: there is no setting 'xyzzy' ("),
        (b"rate = -1", "rate in FILE: -1 is out of range"),
        (b"rate = [1, 2]", "rate in FILE: it is a list; give one value"),
        (b"[rate]\nvalue = 1", "--settings FILE: rate is neither text nor a number"),
        (b"names = [[1]]", "--settings FILE: names is neither text nor a number"),
        (b'names = "a"\nna-mes = "b"', "--settings FILE: there is no setting 'na-mes'"),
        (b"settings = 'x'", "--settings FILE: there is no setting 'settings'"),
    ],
)
def test_a_file_that_is_wrong_is_one_line_without_its_values(tmp_path, capsys, content, message):
    path = tmp_path / "mine.toml"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(SystemExit) as leaving:
        parser().parse_args(["--settings", str(path)])

    said = capsys.readouterr().err
    assert leaving.value.code == 2
    assert said.startswith(f"tool.py: {message.replace('FILE', str(path))}")
    assert said.count("\n") == 1


def test_a_name_is_set_once(tmp_path, capsys):
    path = tmp_path / "mine.toml"
    path.write_text('sasl_username = "a"\nsasl-username = "b"\n')

    with pytest.raises(SystemExit):
        parser().parse_args(["--settings", str(path)])

    assert "sasl_username is set twice" in capsys.readouterr().err
