"""What the GPUs of this machine do right now, as their driver says: their names, how busy they are, their memory."""

import csv
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

FIELDS = "name,utilization.gpu,memory.used,memory.total"
PATIENCE_S = 5.0


@dataclass(frozen=True)
class Gpu:
    """One GPU at one moment.

    Attributes:
        name: as the driver calls it.
        busy: % of the last moments in which it computed; None where the driver does not say.
        used, total: bytes of its memory, of all programs together.
    """

    name: str
    busy: float | None
    used: float
    total: float

    def in_words(self) -> str:
        """One line for a page.

        >>> Gpu("NVIDIA H100", 54.0, 12.3e9, 85.5e9).in_words()
        'NVIDIA H100: 54 % busy, 12.3 of 86 GB in use'
        """
        busy = "" if self.busy is None else f"{self.busy:.0f} % busy, "
        return f"{self.name}: {busy}{self.used / 1e9:.1f} of {self.total / 1e9:.0f} GB in use"


def read_gpus() -> list[Gpu]:
    """All NVIDIA GPUs, in the driver's order; none where there is no driver, or none that answers in time."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    command = [program, f"--query-gpu={FIELDS}", "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    return [gpu for line in csv.reader(answer.stdout.splitlines()) if (gpu := _gpu(line)) is not None]


def _gpu(line: Sequence[str]) -> Gpu | None:
    """A line of the driver's answer; None where it says no memory. Figures are % and MiB."""
    try:
        name, busy, used, total = (value.strip() for value in line)
        memory = [float(value) * 2**20 for value in (used, total)]
    except ValueError:
        return None
    return Gpu(name, float(busy) if busy.isdigit() else None, *memory)
