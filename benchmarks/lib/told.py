"""What a study found: printed first, so that a file that cannot be written costs nothing, and kept as JSON."""

import json
from pathlib import Path

from isimed.core.files import write_json


def tell(found: object, file: str | None) -> None:
    """Print what was found, and write it where ``--json`` says."""
    print(json.dumps(found, indent=1))
    if file:
        write_json(Path(file), found, indent=1)
