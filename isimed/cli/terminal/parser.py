"""What the commands' options share: one clear line for whatever is wrong, and numbers within their range."""

import argparse
import math
from collections.abc import Callable
from typing import Any, NoReturn

from isimed.core.errors import InputError

Options = argparse.Namespace
CHECKPOINT_HELP = "name, run id, folder or `untrained` (default: the network that fits the scan best)"
EXAMPLE = "Example: "
JSON_HELP = "print JSON for scripts"
STEP_HELP = "distance of neighbouring crops, mm (default: a quarter of a crop's edge)"


class Once(argparse.Action):
    """An option of one value: given again, the first would be lost without a word."""

    def __call__(self, parser: argparse.ArgumentParser, namespace: Options, values: Any, option: str | None = None):
        given = namespace.__dict__.setdefault("_given", set())
        if option and self.dest in given:
            parser.error(f"{option} is given twice and takes one value")
        given.add(self.dest)
        setattr(namespace, self.dest, values)


class _Help(argparse.HelpFormatter):
    """An example stays on one line, to be copied."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return text if text.startswith(EXAMPLE) else super()._fill_text(text, width, indent)


class Parser(argparse.ArgumentParser):
    """argparse, but a wrong option is one line on stderr, and no option is dropped when it is given twice."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.register("action", None, Once)

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message}; see `{self.prog} --help`.")

    def several(self, option: str, **settings: Any) -> None:
        """An option that takes several values at once, again and again; None where it was not given."""
        self.add_argument(option, nargs="+", action="extend", **settings)


class Commands:
    """The commands of one parser, each with an example that its ``--help`` ends with, and with -q and -v."""

    def __init__(self, parser: Parser) -> None:
        self.parser = parser
        self._added = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=Parser)

    def add(
        self, name: str, run: Callable[[Options], int | None], text: str, *, example: str, logs: bool = True
    ) -> Parser:
        added = self._added.add_parser(
            name, help=text, description=text, formatter_class=_Help, epilog=f"{EXAMPLE}{self.parser.prog} {example}"
        )
        added.set_defaults(command=run)
        if not logs:
            return added
        said = added.add_mutually_exclusive_group()
        said.add_argument(
            "-q", "--quiet", action="store_true", help="print results and errors alone: no bars, no notes"
        )
        said.add_argument("-v", "--verbose", action="store_true", help="log what is done to stderr")
        return added

    def add_on_cohort(self, name: str, run: Callable[[Options], int | None], text: str, *, example: str) -> Parser:
        """A command whose first argument is a cohort."""
        added = self.add(name, run, text, example=example)
        added.add_argument("cohort", help="name in ISIMED_HOME, or the path of a dataset.json")
        return added


def length_mm(text: str) -> float:
    """A length: a finite number of mm above 0."""
    value = finite(text)
    if value <= 0:
        raise argparse.ArgumentTypeError(f"{text} is not a length: give mm above 0")
    return value


def share(text: str) -> float:
    """A part of a whole: 0 to below 1."""
    value = _number(text)
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a share: give a number from 0 to below 1")
    return value


def finite(text: str) -> float:
    """A number that is neither infinite nor nan."""
    value = _number(text)
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"{text} is not a finite number")
    return value


def _number(text: str) -> float:
    """What is said, or nan where that is no number."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def at_least(least: int) -> Callable[[str], int]:
    """A whole number with a lower bound."""

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if value < least:
            raise argparse.ArgumentTypeError(f"{text} is not a whole number of at least {least}")
        return value

    return parse
