"""The app in a browser, from wherever isimed is installed."""

import argparse
import runpy
import sys

from isimed.cli.terminal.parser import Commands, Options
from isimed.core import paths


def add(commands: Commands) -> None:
    app = commands.add(
        "app",
        run,
        "Open the app at http://localhost:8501; only this machine can reach it.",
        example="app --server.port 8600",
        logs=False,
    )
    app.add_argument(
        "streamlit",
        nargs=argparse.REMAINDER,
        metavar="OPTION",
        help="options of `streamlit run`, e.g. --server.port 8600; see `streamlit run --help`",
    )
    app.prefix_chars = ""  # everything that follows is for Streamlit, whatever it looks like
    app.set_defaults(print_help=app.print_help)


def run(options: Options) -> None:
    if options.streamlit in (["-h"], ["--help"]):
        options.print_help()
        return
    # In this process: whoever ends it, by Ctrl-C or a service manager's signal, ends the server.
    sys.argv = ["streamlit", "run", str(paths.ROOT / "app.py"), *options.streamlit]
    runpy.run_module("streamlit", run_name="__main__", alter_sys=True)
