"""How a virtual patient looks in CT: with and without contrast agent, a soft or sharp kernel, noise, a lung mass."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from isimed.data.demo.template import Template
from isimed.data.formats.volume import apply_affine

CONTRASTS = ("enhanced", "plain")
AIR = -1000
COARSER = 1.5
BLOOD_HU, AGENT_LEFT = 45, 0.15
ENHANCED = ("heart", "aorta", "artery", "vein", "vena", "trunk", "atrial", "kidney", "spleen", "liver", "thyroid")


def paint(template: Template, contrast: str, rng: np.random.Generator) -> NDArray[np.float32]:
    """(X, Y, Z) Hounsfield units; ``plain`` takes most of the contrast agent out of vessels and organs."""
    picture = template.texture.copy()
    if contrast == "plain":
        labels = [label for label, name in template.organ_names.items() if any(part in name for part in ENHANCED)]
        filled = np.isin(template.organs, labels) & (picture > BLOOD_HU)
        picture[filled] = BLOOD_HU + AGENT_LEFT * (picture[filled] - BLOOD_HU)
    return ndimage.gaussian_filter(picture, rng.uniform(0.2, 0.7))


def lesion_sites(template: Template) -> NDArray[np.float64]:
    """(N, 3) template mm inside the lungs, away from their border."""
    lungs = np.isin(template.organs, [label for label, name in template.organ_names.items() if "lung" in name])
    depth = ndimage.distance_transform_edt(lungs[::3, ::3, ::3]) * 3 * np.linalg.norm(template.affine[:3, 0])
    return apply_affine(template.affine, np.argwhere(depth > 14) * 3)


def add_lesion(
    rng: np.random.Generator, values: NDArray[np.float32], depth_mm: NDArray[np.float32], contrast: str
) -> NDArray[np.float32]:
    """(N,) values with a solid mass mixed in, brighter where contrast agent was given."""
    level = rng.uniform(20, 45) + (30 if contrast == "enhanced" else 0)
    share = np.clip(0.5 + depth_mm / 2, 0, 1)
    return (values + share * (level - values)).astype(np.float32)


def scan(rng: np.random.Generator, values: NDArray[np.float32], points_mm: NDArray) -> NDArray[np.int16]:
    """(N,) Hounsfield units with noise."""
    noise = rng.uniform(8, 22) * rng.standard_normal(len(values), dtype=np.float32)
    return np.clip(np.rint(values + noise), -1024, 3071).astype(np.int16)
