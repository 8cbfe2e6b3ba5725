"""A volume of 2 GB (1024³ voxels of 16 bits) in the Viewer and on the Volumes page, on an otherwise empty home.

The volume is made: a body of soft values in air, so that it is prepared and cut like a scan. Seconds are from the
address to the whole report, and to planes that show their voxels; memory is the server's own at most, beside what it
holds with the page just opened on a small scan.
"""

import json
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np

from benchmarks.lib.app_server import AppServer
from benchmarks.lib.browser import open_page
from benchmarks.lib.race import Figure, Measured, Setting

TITLE = "A volume of 2 GB opened"
AGAINST = "-"
EDGE, SPACING_MM = 1024, 0.4
NAME = "big"


def measure(setting: Setting) -> Measured:
    edge = 256 if setting.quick else EDGE
    with tempfile.TemporaryDirectory() as folder, open_page() as page:
        home = Path(folder)
        size = write_cohort(home / "cohorts" / NAME, edge)
        server = AppServer(home, home / "server.log")
        server.start()
        try:
            with watched(server) as peak:
                page.goto(f"{server.url}/volumes?cohort={NAME}")
                listed = _until(page, "Report as JSON")
                listed_mb = peak()
                page.goto(f"{server.url}/viewer?cohort={NAME}")
                shown, said = _until_shown(page)
                shown_mb = peak()
        finally:
            server.stop()
        troubles = server.troubles()
    facts = {
        "file, GB": round(size / 1e9, 2),
        "what the viewer says beside them": said or "nothing",
        "server's memory at most, on the Volumes page, MB": round(listed_mb),
        "in the Viewer, MB": round(shown_mb),
    }
    return Measured(
        [],
        facts,
        figures=[
            Figure("Volumes page, the volume measured", listed, "s"),
            Figure("Viewer, planes shown", shown, "s", target=15.0),
            Figure("errors in the server's log", len(troubles), "", target=0),
        ],
    )


class watched:
    """Samples the server's memory until left; called, it tells the largest so far in MB."""

    def __init__(self, server: AppServer) -> None:
        self._server, self._largest, self._done = server, 0.0, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Callable[[], float]:
        self._thread.start()
        return lambda: self._largest

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(0.2):
            self._largest = max(self._largest, self._server.memory()["own_mb"])


def write_cohort(folder: Path, edge: int) -> int:
    """A cohort of one CT-like volume of ``edge``³ voxels; returns the file's bytes."""
    folder.mkdir(parents=True)
    affine = np.diag([SPACING_MM * EDGE / edge] * 3 + [1.0])
    image = folder / "big.nii"
    header = nib.Nifti1Header()
    header.set_data_shape((edge,) * 3)
    header.set_data_dtype(np.int16)
    header.set_sform(affine, code=1)
    header.set_xyzt_units("mm")
    axis = np.linspace(-1, 1, edge, dtype=np.float32)
    plane = np.square(axis[:, None] / 0.8) + np.square(axis[None, :] / 0.6)
    ripples = 60 * np.sin(20 * axis[:, None]) * np.cos(30 * axis[None, :])
    with image.open("wb") as file:
        header["magic"], header["vox_offset"] = b"n+1", 352
        file.write(header.binaryblock + b"\0" * 4)
        for z in axis:  # x runs fastest in the file
            inside = plane + (z / 0.95) ** 2 < 1
            file.write(np.where(inside, 40 + ripples + 80 * z, -1000).astype("<i2").T.tobytes())
    volumes = [{"subject": "big", "image": image.name}]
    manifest = {"name": folder.name, "description": "", "modality": "CT", "volumes": volumes}
    (folder / "dataset.json").write_text(json.dumps(manifest), encoding="utf-8")
    return image.stat().st_size


def _until(page, words: str) -> float:
    start = time.perf_counter()
    page.get_by_text(words).first.wait_for(timeout=600_000)
    return time.perf_counter() - start


def _until_shown(page) -> tuple[float, str]:
    """Seconds until the planes show voxels, and what stands beside them when no network fits such a scan."""
    start = time.perf_counter()
    page.locator(".readout .mm").first.wait_for(timeout=600_000)
    seconds, alert = time.perf_counter() - start, page.get_by_test_id("stAlert").first
    return seconds, alert.inner_text().strip() if alert.is_visible() else ""
