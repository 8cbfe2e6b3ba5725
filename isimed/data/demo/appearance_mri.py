"""How a virtual patient looks in MRI: T1-like and FLAIR-like contrast, the coil's shading, noise, a brain lesion."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from isimed.data.demo.template import Template
from isimed.data.formats.volume import apply_affine

CONTRASTS = ("T1", "FLAIR")
AIR = 0
COARSER = 1.0


def paint(template: Template, contrast: str, rng: np.random.Generator) -> NDArray[np.float32]:
    """(X, Y, Z) the template in one scanner's contrast, about 0 to 1.

    A weighted sum of the tissue shares and the template's own texture.
    """
    if contrast == "T1":
        levels = {"fluid": rng.uniform(0.12, 0.25), "grey": rng.uniform(0.55, 0.68), "white": rng.uniform(0.88, 0.98)}
        texture = rng.uniform(1.0, 1.6)
    else:
        levels = {"fluid": rng.uniform(0.06, 0.14), "grey": rng.uniform(0.68, 0.78), "white": rng.uniform(0.48, 0.58)}
        texture = rng.uniform(0.6, 1.0)
    picture = template.texture * np.float32(texture)
    for name, level in levels.items():
        picture += template.tissues[name] * np.float32(level)
    return picture


def lesion_sites(template: Template) -> NDArray[np.float64]:
    """(N, 3) template mm in the white matter, away from the body's border and above the cerebellum."""
    depth = ndimage.distance_transform_edt(template.body[::3, ::3, ::3]) * 3
    white = template.tissues["white"][::3, ::3, ::3]
    sites = apply_affine(template.affine, np.argwhere((depth > 14) & (white > 0.5)) * 3)
    return sites[sites[:, 2] > -10]


def add_lesion(
    rng: np.random.Generator, values: NDArray[np.float32], depth_mm: NDArray[np.float32], contrast: str
) -> NDArray[np.float32]:
    """(N,) values with the lesion mixed in: dark on T1, bright on FLAIR, with a darker core and a faint margin."""
    level = rng.uniform(0.30, 0.42) if contrast == "T1" else rng.uniform(0.88, 1.02)
    core = np.clip((depth_mm - rng.uniform(4, 9)) / 4, 0, 1) * rng.uniform(0.0, 0.5)
    share = 0.85 * np.clip(0.5 + depth_mm / 3, 0, 1) + 0.2 * np.clip(1 + depth_mm / 6, 0, 1) * (depth_mm < 1.5)
    return (values + np.minimum(share, 0.85) * (level * (1 - core) - values)).astype(np.float32)


def scan(rng: np.random.Generator, values: NDArray[np.float32], points_mm: NDArray) -> NDArray[np.int16]:
    """(N,) what the scanner writes: shaded, with noise, in a scale of its own."""
    values = values * bias_field(rng, points_mm)
    values += rng.uniform(0.015, 0.035) * rng.standard_normal(len(values), dtype=np.float32)
    return np.clip(np.rint(values * rng.uniform(300, 1500)), 1, 32000).astype(np.int16)


def bias_field(rng: np.random.Generator, points_mm: NDArray) -> NDArray[np.float32]:
    """(N,) the receive coil's shading: exp of a random quadratic, 4 to 10 % standard deviation."""
    x, y, z = ((points_mm - points_mm.mean(axis=0)) / 80).T
    terms = (x, y, z, x * x, y * y, z * z, x * y, y * z, x * z)
    log_bias = sum(weight * term for weight, term in zip(rng.standard_normal(9), terms, strict=True))
    log_bias -= log_bias.mean()
    return np.exp(log_bias * rng.uniform(0.04, 0.10) / log_bias.std()).astype(np.float32)
