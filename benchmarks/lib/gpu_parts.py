"""What the GPU did in every part of benchmarks/gpu.sh: how busy it was, and its memory at most.

python -m benchmarks.lib.gpu_parts FOLDER
"""

import csv
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import NamedTuple


class Second(NamedTuple):
    """One line of nvidia-smi: seconds since 1970, % busy, MB in use, MB in all."""

    at: float
    busy: float
    used: float
    total: float


def seconds_of(file: Path) -> list[Second]:
    """The lines that can be read of what nvidia-smi wrote; none where there is no such file."""
    return list(_lines(file)) if file.is_file() else []


def _lines(file: Path) -> Iterator[Second]:
    for line in csv.reader(file.read_text(encoding="utf-8").splitlines()):
        try:
            at = datetime.strptime(line[0].strip(), "%Y/%m/%d %H:%M:%S.%f").timestamp()
            yield Second(at, *(float(line[column].split()[0]) for column in (2, 3, 4)))
        except (IndexError, ValueError):  # a line cut off, or a figure that this GPU does not give
            continue


def told(folder: Path) -> list[str]:
    """One line a part."""
    seen, lines = seconds_of(folder / "gpu.csv"), []
    parts = folder / "parts.tsv"
    for line in parts.read_text(encoding="utf-8").splitlines() if parts.is_file() else []:
        name, begun, ended, status = line.split("\t")
        of = [one for one in seen if float(begun) <= one.at <= float(ended)]
        took = f"{float(ended) - float(begun):.0f} s{'' if status == '0' else f', ended with {status}'}"
        if not of:
            lines.append(f"{name}: {took}, no reading of a GPU")
            continue
        busy = sum(one.busy for one in of) / len(of)
        most = max(of, key=lambda one: one.used)
        lines.append(f"{name}: {took}, {busy:.0f} % busy, {most.used / 1e3:.1f} of {most.total / 1e3:.0f} GB at most")
    return lines


if __name__ == "__main__":
    print("\n".join(told(Path(sys.argv[1]))))
