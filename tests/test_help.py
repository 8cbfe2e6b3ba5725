"""Every command says what its options are, and its example is one that it takes."""

import argparse
import json
import shlex
import subprocess
import sys
from collections.abc import Iterator

import pytest

from isimed import __main__ as entry
from isimed.__main__ import main
from isimed.cli.terminal.parser import EXAMPLE, Commands, Parser, finite, length_mm
from isimed.data.cohorts.cohort import Cohort

NO_JSON = {"app", "completion"}  # a server, and a script for the shell


def parsers() -> dict[str, Parser]:
    parser = Parser(prog="isimed")
    commands = Commands(parser)
    for command in entry.COMMANDS:
        command.add(commands)
    return dict(commands._added.choices)


PARSERS = parsers()


def options_of(parser: Parser) -> Iterator[argparse.Action]:
    return (action for action in parser._actions if not isinstance(action, argparse._HelpAction))


@pytest.mark.parametrize("name", PARSERS)
def test_help_says_choices_defaults_units_and_an_example(name: str) -> None:
    parser = PARSERS[name]
    printed = parser.format_help()
    for action in options_of(parser):
        said = (action.help or "") % {} if "%" not in (action.help or "") else action.help
        what = f"{name} {'/'.join(action.option_strings) or action.dest}"
        assert said, f"{what} has no help"
        if action.choices:
            assert all(str(choice) in printed for choice in action.choices), f"{what} hides its choices"
        if action.default not in (None, False, "", argparse.SUPPRESS) and action.option_strings:
            assert "default" in said, f"{what} hides its default, {action.default}"
        if action.type in (finite, length_mm):
            assert "mm" in said, f"{what} has no unit"
    (example,) = [line for line in printed.splitlines() if line.startswith(EXAMPLE)]
    words = shlex.split(example.removeprefix(EXAMPLE).partition(" > ")[0])
    assert words[1] == name
    parser.parse_args(words[2:])


@pytest.mark.parametrize("name", sorted(set(PARSERS) - NO_JSON))
def test_every_command_can_print_json(name: str) -> None:
    assert any("--json" in action.option_strings for action in options_of(PARSERS[name]))


def test_quiet_prints_the_result_alone_and_bars_are_for_terminals(
    cohort: Cohort, capfd: pytest.CaptureFixture[str]
) -> None:
    embed = ["embed", str(cohort.root), "--checkpoint", "untrained", "--step-mm", "60", "--json"]
    assert main(embed) == 0
    out, error = capfd.readouterr()
    assert json.loads(out)["volumes"] == ["P0", "P1", "P2"]
    assert "crop/s" not in error
    assert main([*embed, "-q"]) == 0
    assert capfd.readouterr().err == ""


def test_a_quiet_training_prints_its_result_alone(cohort: Cohort, capfd: pytest.CaptureFixture[str]) -> None:
    tiny = ["--epochs", "1", "--volumes-per-step", "1", "--crops-per-volume", "2", "--spacing-mm", "5"]
    assert main(["train", str(cohort.root), *tiny, "--validation", "0.3", "-q"]) == 0
    out, error = capfd.readouterr()
    assert json.loads(out)["state"] == "finished"
    assert error == ""


def test_quiet_and_verbose_exclude_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "mine", "-q", "-v"]) == 2
    assert "not allowed with" in capsys.readouterr().err


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_completion_knows_commands_and_options(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("shtab")
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    for word in ("locate", "--points", "checkpoints", "--step-mm"):
        assert word.lstrip("-") in script
    if shell == "bash":
        subprocess.run(["bash", "-n"], input=script, text=True, check=True)


def test_verbose_logs_to_stderr() -> None:
    code = (
        "import logging, sys; from isimed.cli.terminal.output import set_loudness as s; s(quiet=False, verbose=True); "
    )
    code += "logging.getLogger('isimed.data').info('read %s', 'a'); print('result')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "result\n"
    assert "INFO isimed.data: read a" in done.stderr
