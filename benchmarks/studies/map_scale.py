"""The map of a large table: seconds and peak memory of every step, whether it is the same again, and who moves.

    ISIMED_HOME=/a/big/disk python -m benchmarks.studies.map_scale --rows 50000 --json map-50000.json
    ISIMED_HOME=/a/big/disk python -m benchmarks.studies.map_scale --rows 1000000 --only pca points --json out.json

Every step runs in a process of its own, from the table on the disk; its peak memory is that process's, all told
(VmHWM), so Linux only. A million rows take 4 GB of disk.
"""

import argparse
import json
import multiprocessing
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.lib import map_made
from benchmarks.lib.race import machine
from isimed.core import paths
from isimed.data.cohorts.cohort import Cohort
from isimed.explore.maps.map_points import Points, UmapPoints, open_points, open_umap
from isimed.explore.maps.map_quality import map_quality
from isimed.explore.maps.pca import Map, open_map
from isimed.explore.maps.umap_layout import UmapParameters
from isimed.explore.tables.store import Table, TableInfo, open_table, volume_file, write_volume

Step = Callable[[TableInfo], dict[str, Any]]


class Phases:
    """Seconds of each phase that a long call reports."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._text, self._since = "Reading and starting", time.perf_counter()

    def __call__(self, text: str) -> None:
        if text != self._text:
            self.end()
            self._text = text

    def end(self) -> dict[str, float]:
        now = time.perf_counter()
        self.seconds[self._text] = round(self.seconds.get(self._text, 0) + now - self._since, 2)
        self._since = now
        return self.seconds


def opened(info: TableInfo, *, umap: bool = True, say: Any = None) -> tuple[Table, Map, Points, UmapPoints | None]:
    """A table with its map, from what is kept as far as it is kept."""
    names = [entry.id for entry in Cohort.load(map_made.COHORT).volumes] + ["one-more"]
    table = open_table(info, names)
    fitted = open_map(table, source="embedding", say=say)
    points = open_points(table, fitted, say=say)
    laid = open_umap(table, fitted, points, UmapParameters(), say=say) if umap else None
    return table, fitted, points, laid


def pca(info: TableInfo) -> dict[str, Any]:
    """Fit PCA; nothing is kept yet."""
    phases = Phases()
    table = open_table(info, [entry.id for entry in Cohort.load(map_made.COHORT).volumes])
    open_map(table, source="embedding", say=phases)
    return {"phases_s": phases.end(), "table_bytes": sum(file.stat().st_size for file in table.files)}


def points(info: TableInfo) -> dict[str, Any]:
    """Place all crops, turn the axes, trustworthiness and continuity in 2D and 3D."""
    phases = Phases()
    found = opened(info, umap=False, say=phases)[2]
    return {"phases_s": phases.end(), "quality": {name: vars(value) for name, value in found.quality.items()}}


def umap(info: TableInfo) -> dict[str, Any]:
    """UMAP of at most 50,000 crops, the others placed among them, and its quality."""
    phases = Phases()
    laid = opened(info, say=phases)[3]
    return {"phases_s": phases.end(), "quality": vars(laid.quality) if laid else None}


def quality(info: TableInfo) -> dict[str, Any]:
    """One pair of trustworthiness and continuity, with the table read already."""
    table, _, found, _ = opened(info, umap=False)
    vectors, groups = table.embedding, table.volume
    start = time.perf_counter()
    map_quality(vectors, found.pcs[:, :2], group=groups)
    return {"quality_s": round(time.perf_counter() - start, 2)}


def opening(info: TableInfo) -> dict[str, Any]:
    """All that the page needs to draw, from what is kept; imports do not count."""
    layout = any(paths.tables_dir().glob("*/*/_maps/embedding/umap-*/places-*.npz"))
    start = time.perf_counter()
    table, _, found, laid = opened(info, umap=layout)
    read = table.subject, table.position, np.asarray(found.pcs[:, :3]), found.error_mm
    seconds = time.perf_counter() - start
    return {"second_opening_s": round(seconds, 3), "rows": len(read[0]), "with_umap": laid is not None}


def again(info: TableInfo) -> dict[str, Any]:
    """The same table in a fresh home and a fresh process: fitted anew, not read back. Equal to the last bit?"""
    _, _, found, laid = opened(info)
    here = paths.home()
    other = here / "again"
    shutil.rmtree(other, ignore_errors=True)
    for name in ("cohorts", "tables"):
        keep_out = shutil.ignore_patterns("_maps")
        shutil.copytree(here / name, other / name, copy_function=os.link, ignore=keep_out, symlinks=True)
    os.environ["ISIMED_HOME"] = str(other)
    _, refitted, again_points, again_laid = opened(info)
    assert refitted.folder is not None
    assert other in refitted.folder.parents
    assert laid is not None
    assert again_laid is not None
    same = {
        "pcs": np.array_equal(found.pcs, again_points.pcs),
        "turned": np.array_equal(found.turned, again_points.turned),
        "umap": np.array_equal(laid.places, again_laid.places),
    }
    shutil.rmtree(other)
    return {"identical": same}


def newcomer(info: TableInfo) -> dict[str, Any]:
    """A patient more, so a new cohort fingerprint and table: where do the old points lie now?"""
    table, fitted, found, laid = opened(info)
    grown = info.model_copy(update={"cohort_fingerprint": "grown"})
    volume_file(grown, "x").parent.mkdir(parents=True, exist_ok=True)
    for file in table.files:
        os.link(file, volume_file(grown, file.stem))
    names = ("cohort", "centre_mm", "position", "organ", "tumour")
    first = table.rows(table.volumes[0])
    extra = {name: table._column(name)[first] for name in names}
    count = first.stop - first.start
    vectors = map_made.made_vectors(extra["position"], 99)
    extra |= {name: np.full(count, "one-more") for name in ("subject", "volume")}
    extra |= {"embedding": vectors, "code": vectors}
    write_volume(grown, "one-more", extra)
    start = time.perf_counter()
    larger, taken, after, placed = opened(grown)
    seconds = time.perf_counter() - start
    assert taken.info == fitted.info
    assert laid is not None
    assert placed is not None
    n = len(table)
    result = {
        "rows_added": len(larger) - n,
        "seconds": round(seconds, 2),
        "largest_move": {
            "pcs": float(np.abs(after.pcs[:n] - found.pcs).max()),
            "umap": float(np.abs(placed.places[:n] - laid.places).max()),
        },
    }
    shutil.rmtree(larger.folder)
    return result


STEPS: dict[str, Step] = {step.__name__: step for step in (pca, points, umap, quality, opening, again, newcomer)}


def peak_gb() -> float:
    """The most memory this process ever had."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return round(int(status.split("VmHWM:")[1].split()[0]) / 2**20, 2)


def run(name: str, info: TableInfo) -> dict[str, Any]:
    """One step, with its seconds and the peak memory of this process before and after it."""
    before, start = peak_gb(), time.perf_counter()
    found = STEPS[name](info)
    seconds = time.perf_counter() - start
    return {"seconds": round(seconds, 2), "peak_gb": peak_gb(), "peak_before_gb": before} | found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--only", nargs="+", choices=list(STEPS), default=list(STEPS))
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if "ISIMED_HOME" not in os.environ:
        parser.error("set ISIMED_HOME to a new folder: the table is made there")
    info = map_made.make(options.rows)
    found: dict[str, Any] = {"rows": options.rows, "machine": machine()}
    if "pca" in options.only:
        shutil.rmtree(volume_file(info, "x").parent / "_maps", ignore_errors=True)
    for name in options.only:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            found[name] = pool.apply(run, (name, info))
        print(json.dumps({name: found[name]}), flush=True)
        if options.json:
            options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
