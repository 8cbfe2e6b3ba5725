"""Peak memory of training at several batch sizes: where the constants of isimed/training/estimate.py come from.

    python -m docs.scripts.measure_memory

Each line is a fresh process that takes three steps on made-up volumes; its peak is what the system says of it
(resident set; on a GPU what torch reserved there). The fit prints bytes for the process and bytes a crop and view.
"""

import argparse
import json
import subprocess
import sys

import numpy as np

VOLUMES, STEPS = 4, 3
CASES = [("isimed", 32, 32), ("isimed", 64, 32), ("isimed", 128, 32), ("isimed", 32, 48)]
CASES += [("simclr", 32, 32), ("simclr", 64, 32), ("dino", 32, 32)]


def peak_bytes(method: str, crops: int, size: int, device: str) -> int:
    """Train three steps in this process and say the most memory it ever held."""
    import resource

    import torch

    from isimed.data.prepared.preprocess import Prepared
    from isimed.training.optimise.config import TrainConfig
    from isimed.training.optimise.loop import Trainer

    shape, rng = (64, 64, 64), np.random.default_rng(0)
    body, affine = np.ones(shape, bool), np.diag([3.0, 3.0, 3.0, 1.0])
    images = [rng.normal(size=shape).astype(np.float16) for _ in range(VOLUMES)]
    volumes = [Prepared(image, body, {}, affine, np.zeros(3), 0.0) for image in images]
    config = TrainConfig(
        cohort="any",
        method=method,
        crop_size=size,
        crops_per_volume=crops // VOLUMES,
        volumes_per_step=VOLUMES,
        epochs=STEPS,
        device=device,
    )
    trainer = Trainer(config, volumes)
    while trainer.step < STEPS:
        list(trainer.run_epoch())
    if trainer.fabric.device.type == "cuda":
        return torch.cuda.max_memory_reserved()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--one", help="METHOD,CROPS,SIZE: only this, in this process")
    options = parser.parse_args()
    if options.one:
        method, crops, size = options.one.split(",")
        print(json.dumps(peak_bytes(method, int(crops), int(size), options.device)))
        return
    rows, peaks = [], []
    for method, crops, size in CASES:
        command = [
            sys.executable,
            "-m",
            "docs.scripts.measure_memory",
            "--device",
            options.device,
            "--one",
            f"{method},{crops},{size}",
        ]
        peak = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        print(f"{method}: {crops} crops of {size}³: {peak / 1e9:.2f} GB", flush=True)
        if method in ("isimed", "simclr"):
            rows.append([1, crops * (2 if method == "simclr" else 1) * (size / 32) ** 3])
            peaks.append(peak)
    (base, each), *_ = np.linalg.lstsq(np.array(rows), np.array(peaks), rcond=None)
    worst = np.abs(np.array(rows) @ [base, each] / peaks - 1).max()
    print(f"fit: {base / 1e9:.2f} GB + {each / 1e6:.1f} MB a crop of 32³ and view; off by at most {worst:.0%}")


if __name__ == "__main__":
    main()
