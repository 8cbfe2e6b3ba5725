"""Where to compute, and why, without importing more than torch."""

import os

import torch

from isimed.core.errors import InputError

ROOM = 3_000_000_000  # bytes of a GPU for embedding a batch, with CUDA's own


def choose_device(wanted: str = "auto") -> tuple[str, str]:
    """The device a training would use, and why, in words.

    Raises:
        InputError: this machine does not have the wanted device.
    """
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if wanted != "auto":
        if not there[wanted]:
            raise InputError(f"This machine has no {wanted} device: choose --device auto or cpu.")
        return wanted, "as asked for"
    if there["cuda"]:
        return "cuda", f"{torch.cuda.get_device_name()} is there"
    if there["mps"]:
        return "mps", "Apple's GPU is there"
    return "cpu", "no GPU was found"


def fastest_device() -> str:
    """Where a trained network computes: on the GPU where one has room, with the CPU's numbers to rounding."""
    if not torch.cuda.is_available() or torch.cuda.mem_get_info()[0] < ROOM:  # a training may have all of it
        return "cpu"
    exact_float32()
    return "cuda"


def exact_float32() -> None:
    """Convolutions in float32 keep all of its bits; by default an NVIDIA GPU drops 13 of the 24 (TF32)."""
    torch.backends.cudnn.allow_tf32 = False


def device_key(device: str) -> str:
    """What one training at a time may have: the CPU, the GPUs that this process can see, or what SLURM gave it."""
    if job := os.environ.get("SLURM_JOB_ID"):
        return f"slurm-{job}"
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    return f"{device}-{visible.replace(',', '-')}" if device == "cuda" and visible else device


def free_memory(device: str) -> int:
    """Bytes that a training could still take."""
    if device == "cuda":
        return torch.cuda.mem_get_info()[0]
    import psutil

    return psutil.virtual_memory().available
