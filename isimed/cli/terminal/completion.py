"""Words that a shell completes."""

from isimed.cli.terminal.parser import Commands, Options
from isimed.core.errors import InputError

SHELLS = ("bash", "zsh", "tcsh")


def add(commands: Commands) -> None:
    text = "Print what makes a shell complete commands and options."
    completion = commands.add(
        "completion", run, text, example="completion bash > ~/.local/share/bash-completion/completions/isimed"
    )
    completion.add_argument("shell", choices=SHELLS, help="whose; zsh: a file named _isimed in a folder of $fpath")
    completion.set_defaults(parser=commands.parser)


def run(options: Options) -> None:
    try:
        import shtab
    except ImportError:
        raise InputError("completion needs the package shtab: pip install shtab.") from None
    options.parser.prog = "isimed"
    print(shtab.complete(options.parser, options.shell))
