"""The command line: the same calls as the pages make.

Every command exits 0, or prints one clear line on stderr and exits 2. The commands are in ``isimed.cli``, a file each.
"""

import errno
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from isimed import __version__
from isimed.cli import (
    app,
    bench,
    check,
    checkpoints,
    demo,
    embed,
    evaluate,
    importing,
    label,
    locate,
    profile,
    runs,
    split,
    train,
    where,
)
from isimed.cli.terminal import completion
from isimed.cli.terminal.output import set_loudness
from isimed.cli.terminal.parser import Commands, Parser
from isimed.core import paths
from isimed.core.errors import InputError

COMMANDS = (
    app, demo, importing, check, split, train, runs, checkpoints, embed, locate, where, label, evaluate, profile, bench,
    completion,
)  # fmt: skip
CLOSED_PIPE = 141  # what a shell calls a program whose reader went away
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        0, or what the command says; 2 after one line on stderr; 130 where it was interrupted, 141 where nobody reads
        its output any more.
    """
    _print_any_character()
    try:
        options = _parser().parse_args(arguments)
        set_loudness(quiet=getattr(options, "quiet", False), verbose=getattr(options, "verbose", False))
        status = options.command(options)
        sys.stdout.flush()
        return int(status or 0)
    except InputError as error:
        print(f"isimed: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python's own last flush would complain
        return CLOSED_PIPE
    except OSError as error:
        if not _about_home(error):
            raise
        print(
            f"isimed: ISIMED_HOME {paths.home()} cannot be used ({error.strerror}: {error.filename or 'disk'}): "
            "give it a folder that you may write to, with space.",
            file=sys.stderr,
        )
        return 2
    except KeyboardInterrupt:
        print("isimed: interrupted; what was finished is kept.", file=sys.stderr)
        return 130


def _parser() -> Parser:
    about = f"Spatial embeddings of medical images, and seeing them. {paths.RESEARCH_ONLY}"
    script = Path(sys.argv[0]).stem == "isimed"
    parser = Parser(prog="isimed" if script else "python -m isimed", description=about)
    parser.add_argument("--version", action="version", version=__version__)
    commands = Commands(parser)
    for command in COMMANDS:
        command.add(commands)
    return parser


def _print_any_character() -> None:
    """A terminal that is not UTF-8 shows a replacement for what it has no character for, instead of an error."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


def _about_home(error: OSError) -> bool:
    """Whether what went wrong is that nothing can be written below ISIMED_HOME."""
    if error.filename is None:
        return error.errno in FULL
    return Path(os.fsdecode(error.filename)).absolute().is_relative_to(paths.home().absolute())


if __name__ == "__main__":
    sys.exit(main())
