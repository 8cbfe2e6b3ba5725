"""Stopping gently, and soon: the loop is asked after each step, and where a step takes too long a thread ends it."""

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

STOP_FILE = "stop"  # in a run's folder while it is asked to stop
GRACE_S = 12.0  # for the step that is being worked on; saving takes a few more; gone within 25


class StopRequest:
    """Turns SIGTERM, SIGINT and a file into a question that the loop asks after each step.

    After ``GRACE_S`` seconds without an answer ``at_last`` is called in a thread (to save what the last whole
    step left) and the process exits.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._signalled = False
        self.at_last: Callable[[], None] = lambda: None
        self._timer: threading.Timer | None = None
        self._before: dict[int, Any] = {}

    @property
    def asked(self) -> bool:
        return self._signalled or (self._file is not None and self._file.exists())

    def __enter__(self) -> "StopRequest":
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._before[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.answered()
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def answered(self) -> None:
        """The loop has seen the request: it saves and ends by itself."""
        if self._timer:
            self._timer.cancel()

    def _on_signal(self, *_: Any) -> None:
        if not self._signalled:
            self._signalled = True
            self._timer = threading.Timer(GRACE_S, self._leave)
            self._timer.daemon = True
            self._timer.start()

    def _leave(self) -> None:
        try:
            self.at_last()
        finally:
            os._exit(0)
