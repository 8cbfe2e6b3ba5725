"""Voxels as the browser gets them: one or two bytes each, x fastest, cached between reruns."""

import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from isimed.data.formats.volume import measured

CT_WINDOWS = {  # name: (level, width) in HU
    "Lung": (-600.0, 1500.0),
    "Soft tissue": (40.0, 400.0),
    "Bone": (400.0, 1800.0),
    "Brain": (40.0, 80.0),
    "Liver": (60.0, 160.0),
    "Mediastinum": (50.0, 350.0),
    "Vessels": (300.0, 600.0),
    "Stroke": (40.0, 40.0),
}
PERCENTILES = ((1, 99), (5, 95), (0.1, 99.9))  # the first is the default of what is not CT
CACHE_BYTES = 2**30
SAMPLES = 500_000


@dataclass(frozen=True, eq=False)
class Encoded:
    """What the browser needs of a volume's voxels.

    Attributes:
        raw: (Z, Y, X) uint8, int16 or uint16, C order.
        slope, intercept: value = raw * slope + intercept.
        low, high: the smallest and the largest raw value.
        percentiles: values of each pair of PERCENTILES.
        frame: first and last voxel (i, j, k) of the part worth seeing, without the air around it.
        source: the array it was made from, kept so that its identity stays its own.
        name: tells this encoding from every other one.
    """

    raw: NDArray
    slope: float
    intercept: float
    low: int
    high: int
    percentiles: tuple[tuple[float, float], ...]
    frame: tuple[list[int], list[int]]
    source: NDArray
    name: str = field(default_factory=lambda: secrets.token_hex(8))


def encode(voxels: NDArray) -> Encoded:
    """Quantise (X, Y, Z) voxels: exact for whole numbers in a 16-bit range, else 65,536 steps over the range.

    What is infinite or beyond ±1e28 becomes the nearest value, and NaN the smallest one.
    """
    values = voxels
    if values.dtype.kind == "f" and not (good := measured(values)).all():
        known = values[good] if good.any() else np.zeros(1, values.dtype)
        values = np.clip(np.nan_to_num(values, nan=known.min()), known.min(), known.max())
    low, high = float(values.min()), float(values.max())
    dtype = _exact_dtype(values, low, high)
    slope, intercept = 1.0, 0.0
    if dtype is None:
        dtype, slope = np.dtype(np.int16), (high - low) / 65535
        intercept = low + 32768 * slope
        values = np.rint((values.astype(np.float64) - intercept) / slope).clip(-32768, 32767)
    raw = np.ascontiguousarray(values.astype(dtype, copy=False).transpose(2, 1, 0))
    sample = raw.reshape(-1)[:: raw.size // SAMPLES | 1]
    found = np.percentile(sample, PERCENTILES)
    percentiles = tuple((float(low), float(high)) for low, high in found * slope + intercept)
    first, last = found[0]
    frame = _frame(raw, threshold=first + 0.15 * (last - first))
    return Encoded(raw, slope, intercept, int(raw.min()), int(raw.max()), percentiles, frame, voxels)


def _frame(raw: NDArray, *, threshold: float) -> tuple[list[int], list[int]]:
    """First and last (i, j, k) of the slices that hold more than specks above a threshold, with a margin of 3 %."""
    bright = raw > threshold
    first, last = [], []
    for axis in (2, 1, 0):  # raw is (Z, Y, X)
        share = bright.mean(axis=tuple({0, 1, 2} - {axis}))
        held = np.flatnonzero(share > 0.002)
        low, high = (held[0], held[-1]) if held.size else (0, raw.shape[axis] - 1)
        margin = round(0.03 * (high - low))
        first.append(int(max(0, low - margin)))
        last.append(int(min(raw.shape[axis] - 1, high + margin)))
    return first, last


def _exact_dtype(values: NDArray, low: float, high: float) -> np.dtype | None:
    if values.dtype.kind == "f" and not np.array_equal(values, np.rint(values)):
        return None
    for dtype in (np.uint8, np.int16, np.uint16):
        if np.iinfo(dtype).min <= low and high <= np.iinfo(dtype).max:
            return np.dtype(dtype)
    return None


def encode_labels(voxels: NDArray) -> Encoded:
    """A label map as uint8, or uint16 where a label is above 255."""
    high = int(voxels.max())
    if voxels.min() < 0 or high > 65535:
        raise ValueError(f"labels must be 0 to 65535, got {voxels.min()} to {high}")
    raw = np.ascontiguousarray(voxels.astype(np.uint8 if high < 256 else np.uint16).transpose(2, 1, 0))
    return _overlay(raw, 0, high, voxels)


def encode_heat(voxels: NDArray, low: float, high: float, *, strong_is_low: bool) -> Encoded:
    """A heat map as uint8: 0 where it is not finite, 1 for weak to 255 for strong."""
    strength = (voxels.astype(np.float32) - low) / max(high - low, 1e-12)
    strength = np.clip(1 - strength if strong_is_low else strength, 0, 1)
    raw = np.where(np.isfinite(strength), 1 + np.rint(254 * np.nan_to_num(strength)), 0).astype(np.uint8)
    return _overlay(np.ascontiguousarray(raw.transpose(2, 1, 0)), 0, 255, voxels)


def _overlay(raw: NDArray, low: int, high: int, source: NDArray) -> Encoded:
    whole = ([0, 0, 0], [size - 1 for size in source.shape])
    return Encoded(raw, 1.0, 0.0, low, high, ((float(low), float(high)),), whole, source)


class EncodingCache:
    """Encoded arrays by the caller's key, bounded in bytes; voxels are never hashed."""

    def __init__(self, max_bytes: int = CACHE_BYTES) -> None:
        self._max_bytes = max_bytes
        self._entries: OrderedDict[Hashable, Encoded] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], Encoded]) -> Encoded:
        with self._lock:
            if key in self._entries:
                self._entries.move_to_end(key)
                return self._entries[key]
        made = make()
        with self._lock:
            self._entries[key] = made
            total = sum(entry.raw.nbytes for entry in self._entries.values())
            while total > self._max_bytes and len(self._entries) > 1:
                total -= self._entries.popitem(last=False)[1].raw.nbytes
        return made


def looks_like_ct(encoded: Encoded) -> bool:
    """Whole numbers that reach down to air: a guess for callers who do not know the modality."""
    return encoded.slope == 1.0 and encoded.low <= -500


def presets(encoded: Encoded, *, ct: bool) -> list[dict]:
    """Window presets in the order of the keys 1, 2, …: {name, level, width}, in the volume's unit."""
    windows = dict(CT_WINDOWS) if ct else {}
    ends = [value * encoded.slope + encoded.intercept for value in (encoded.low, encoded.high)]
    for (low, high), values in zip(PERCENTILES if not ct else PERCENTILES[:1], encoded.percentiles, strict=False):
        windows[f"{low:g}–{high:g} %"] = _window(*values)
    if not ct:
        windows["Full"] = _window(*ends)
    return [{"name": name, "level": level, "width": width} for name, (level, width) in windows.items()]


def _window(low: float, high: float) -> tuple[float, float]:
    return (low + high) / 2, (high - low) or 1.0
