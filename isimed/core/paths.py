"""Where things live on this machine."""

import os
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
# Where app.py, pages/, checkpoints/ and cohorts/ lie: inside an installed package, beside the package in a checkout.
ROOT = PACKAGE / "installed" if (PACKAGE / "installed").is_dir() else PACKAGE.parent
RESEARCH_ONLY = "Research use only. Not for diagnosis."


def home() -> Path:
    """The folder of everything isimed writes: ``$ISIMED_HOME``, by default ``~/.isimed``."""
    return Path(os.environ.get("ISIMED_HOME") or Path.home() / ".isimed").expanduser()


def cohorts_dir() -> Path:
    return home() / "cohorts"


def shipped_cohorts_dir() -> Path:
    """The cohorts that come with isimed, in the repository or the installed package."""
    return ROOT / "cohorts"


def prepared_dir() -> Path:
    return home() / "prepared"


def tables_dir() -> Path:
    return home() / "tables"


def runs_dir() -> Path:
    return home() / "runs"


def checkpoint_dirs() -> list[Path]:
    """Folders that hold named checkpoints: the repository's (or the installed package's), then the user's."""
    candidates = [ROOT / "checkpoints", home() / "checkpoints"]
    return [folder for folder in candidates if folder.is_dir()]
