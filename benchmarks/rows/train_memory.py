"""Pretraining in a process that keeps its memory, as background trainings are started, against a process as it comes.

A turn is a process of its own: a first step that does not count, then three of `isimed` with the defaults (128 crops of
32³) on one constant batch in memory.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping

from benchmarks.lib.app_server import ROOT
from benchmarks.lib.race import Measured, Ratio, Setting
from isimed.data.cohorts.cohort import Cohort
from isimed.training.optimise.allocator import ALLOCATOR_SETTINGS

TITLE = "Pretraining, memory kept"
AGAINST = "the same steps in a process with the system's own settings"
STEPS = 3


def measure(setting: Setting) -> Measured:
    plain = {name: value for name, value in os.environ.items() if name not in ALLOCATOR_SETTINGS}
    told: dict[str, list[dict[str, float]]] = {"kept": [], "plain": []}
    for turn in range(1 if setting.quick else 3):
        for name in ("kept", "plain") if turn % 2 else ("plain", "kept"):
            told[name].append(_process(setting, plain | ALLOCATOR_SETTINGS if name == "kept" else plain))
    kept, other = ([one["crops_per_second"] for one in told[name]] for name in ("kept", "plain"))
    facts = {
        f"share of CPU time in the system, {name}": round(max(one["system"] for one in told[name]), 2) for name in told
    }
    return Measured([Ratio("isimed, crops/s", kept, other, "crops/s")], facts)


def _process(setting: Setting, environment: Mapping[str, str]) -> dict[str, float]:
    manifest = str(setting.cohort.root / "dataset.json")
    command = [sys.executable, "-m", "benchmarks.rows.train_memory", manifest, str(int(setting.quick)), setting.device]
    done = subprocess.run(command, cwd=ROOT, env=dict(environment), check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main(manifest: str, quick: str, device: str) -> None:
    import resource
    import time

    from benchmarks.lib.pretraining import constant_steps, make_trainer

    step = constant_steps(make_trainer(Setting(Cohort.load(manifest), quick=bool(int(quick)), device=device)), 1)
    step()
    before, start = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    crops = sum(step() for _ in range(STEPS))
    seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF)
    user, system = after.ru_utime - before.ru_utime, after.ru_stime - before.ru_stime
    print(json.dumps({"crops_per_second": crops / seconds, "system": system / (user + system)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
