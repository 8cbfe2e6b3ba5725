"""The app in a process of its own for a benchmark: started, watched (memory, log), killed and started again."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import IO

import psutil

ROOT = Path(__file__).resolve().parents[2]
TROUBLE = re.compile(r"Traceback \(most recent call last\)|Exception in |ERROR|Segmentation fault|terminate called")


class AppServer:
    """``streamlit run app.py`` on a free port of the loopback, its output in a file.

    Args:
        home: its ISIMED_HOME.
        log: where its output goes; a server started again appends.
        arguments: of streamlit, by default those that run the app.
    """

    def __init__(self, home: str | Path, log: str | Path, arguments: tuple[str, ...] = ("run", "app.py")) -> None:
        self.home, self.log, self.arguments = Path(home), Path(log), arguments
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.up = False
        self.starts = 0
        self._process: subprocess.Popen | None = None
        self._output: IO[bytes] | None = None

    def start(self, *, within_s: float = 90.0) -> float:
        """Start it and wait until it is healthy; returns the seconds that took.

        Raises:
            TimeoutError: it did not come up.
        """
        options = ["--server.port", str(self.port), "--server.address", "127.0.0.1", "--server.headless", "true"]
        command = [sys.executable, "-m", "streamlit", *self.arguments, *options]
        environment = os.environ | {"ISIMED_HOME": str(self.home)}
        began = time.perf_counter()
        self._output = self.log.open("ab")
        self._process = subprocess.Popen(
            [*command, "--browser.gatherUsageStats", "false"],
            cwd=ROOT, env=environment, stdout=self._output, stderr=self._output, start_new_session=True,
        )  # fmt: skip
        self.starts += 1
        while time.perf_counter() - began < within_s and self._process.poll() is None:
            with suppress(OSError), urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=2):
                self.up = True
                return time.perf_counter() - began
            time.sleep(0.05)
        raise TimeoutError(f"the server did not come up: see {self.log}")

    def kill(self) -> None:
        """SIGKILL, as a crash or an impatient administrator does it."""
        self.up = False
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self.up = False
        self._end(signal.SIGTERM)

    def memory(self) -> dict[str, float]:
        """MB of the server with its children: resident; and of that what is its own, not pages of mapped files."""
        resident = own = 0.0
        for process in self._family():
            with suppress(psutil.Error):
                info = process.memory_info()
                resident += info.rss / 1e6
                own += (info.rss - getattr(info, "shared", 0)) / 1e6
        return {"resident_mb": round(resident, 1), "own_mb": round(own, 1)}

    def cpu_seconds(self) -> float:
        """What the server with its children has computed so far: little moved by other work on the machine."""
        used = 0.0
        for process in self._family():
            with suppress(psutil.Error):
                used += sum(process.cpu_times()[:2])
        return used

    def counts(self) -> dict[str, int]:
        """Threads and open files, which leak where memory does not show it yet."""
        if self._process is None:
            return {}
        with suppress(psutil.Error):
            process = psutil.Process(self._process.pid)
            return {"threads": process.num_threads(), "files": process.num_fds() if hasattr(process, "num_fds") else 0}
        return {}

    def troubles(self) -> list[str]:
        """Lines of the log that tell of an exception, each with the one after it that matters."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines() if self.log.is_file() else []
        return [line.strip()[:300] for line in lines if TROUBLE.search(line)]

    def _family(self) -> list[psutil.Process]:
        """The server and its children; not the trainings, which are processes of their own with memory of their own."""
        if self._process is None:
            return []
        with suppress(psutil.Error):
            process = psutil.Process(self._process.pid)
            return [process, *(child for child in process.children(recursive=True) if not _is_training(child))]
        return []

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        with suppress(ProcessLookupError):
            self._process.send_signal(how)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._output:
            self._output.close()


def _is_training(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return "isimed.training.runs.worker" in process.cmdline()
    return False


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
