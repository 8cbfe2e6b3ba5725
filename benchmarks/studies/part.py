"""The first patients of a split's list as a cohort of their own, embedded: what click_latency.py is run on.

python -m benchmarks.studies.part PATH/TO/headneck-ct --part test --patients 40     # -> cohort headneck-ct-test-40
"""

import argparse
import json
from pathlib import Path

from tqdm import tqdm

from isimed.data.cohorts.cohort import Cohort, find_manifest, register, write_manifest
from isimed.evaluation.context.context import Context
from isimed.evaluation.statistics.protocol import STRICT
from isimed.explore.tables.embed import checkpoint_for, embed_cohort


def add_patients(parser: argparse.ArgumentParser) -> None:
    """Which cohort, which network, and which list of a split."""
    parser.add_argument("cohort")
    parser.add_argument("--checkpoint", default="headneck-ct")
    parser.add_argument("--split", default="docs/splits/headneck-ct.json")
    parser.add_argument("--part", default="test", help="list of the split")


def listed_patients(options: argparse.Namespace) -> list[str]:
    return json.loads(Path(options.split).read_text("utf-8"))[options.part]


def measured_patients(options: argparse.Namespace, cohort: Cohort) -> Context:
    """The patients of the split's list, or all where ``--split ""`` names none."""
    return Context(cohort, cohort.subset(listed_patients(options)) if options.split else cohort.volumes, STRICT)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_patients(parser)
    parser.add_argument("--patients", type=int, default=40)
    options = parser.parse_args()
    wanted = listed_patients(options)[: options.patients]
    whole = Cohort.load(options.cohort)
    name = f"{whole.name}-{options.part}-{len(wanted)}"
    manifest = json.loads(register(options.cohort, name=name).read_bytes())  # paths made absolute
    manifest["volumes"] = [volume for volume in manifest["volumes"] if volume["subject"] in wanted]
    cohort = Cohort.load(write_manifest(manifest))
    checkpoint = checkpoint_for(options.checkpoint, cohort)
    with tqdm(unit="crop") as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        table = embed_cohort(cohort, checkpoint, progress=progress)
    print(f"{cohort.name}: {len(cohort.volumes)} volumes, {len(table)} crops in {find_manifest(name).parent}")


if __name__ == "__main__":
    main()
