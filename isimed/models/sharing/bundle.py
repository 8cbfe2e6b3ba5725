"""A trained network as a MONAI bundle: a folder that MONAI's tools open, with the network as TorchScript.

``configs/inference.json`` has the network and MONAI's nearest transforms for a scan. Those are near, not the same:
MONAI finds no body and resamples otherwise, and a place found after a chain of such transforms was measured to lie 1.7
to 14.7 mm away. `isimed.Preprocessing` prepares as the network was trained.
"""

import shutil
from pathlib import Path
from typing import Any

import monai

from isimed.core import paths
from isimed.core.files import write_file, write_json
from isimed.data.prepared.preprocess import Preparation
from isimed.models.card import CARD, Card, versions
from isimed.models.checkpoint import Checkpoint
from isimed.models.sharing.export import without_names
from isimed.models.sharing.graphs import as_torchscript
from isimed.models.sharing.model_card import in_words


def fill_bundle(checkpoint: Checkpoint, folder: Path) -> None:
    """Write the files of a bundle into an empty folder."""
    write_file(folder / "models" / "model.ts", as_torchscript(checkpoint))
    write_json(folder / "configs" / "metadata.json", metadata(checkpoint.card), indent=1)
    write_json(folder / "configs" / "inference.json", inference(checkpoint.card.preparation), indent=1)
    write_file(folder / "docs" / "README.md", in_words(checkpoint.card))
    write_file(folder / "docs" / CARD, without_names(checkpoint.card).model_dump_json(indent=1) + "\n")
    licence = paths.ROOT / "LICENSE"
    if licence.is_file():
        shutil.copyfile(licence, folder / "LICENSE")


def metadata(card: Card) -> dict[str, Any]:
    """What MONAI's ``metadata.json`` asks for."""
    dense = card.architecture == "dense"
    size: list[Any] = ["16*n", "16*n", "16*n"] if dense else [card.crop_size] * 3
    width = {"embedding": 48 if dense else 1024}
    code = card.heads.get("distance", width["embedding"])
    return {
        "schema": "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/meta_schema_20240725.json",
        "version": versions()["isimed"],
        "changelog": {versions()["isimed"]: "exported"},
        "monai_version": monai.__version__,
        "pytorch_version": card.versions.get("torch", ""),
        "numpy_version": card.versions.get("numpy", ""),
        "required_packages_version": {},
        "name": card.name,
        "task": "Embedding of the place that a crop comes from",
        "description": card.description,
        "authors": "isimed",
        "copyright": card.licence,
        "intended_use": card.limits,
        "references": ["ISImed, arXiv 2410.16947"],
        "data_type": "nibabel",
        "network_data_format": {
            "inputs": {
                "image": {
                    "type": "image",
                    "format": "hounsfield" if card.preparation.intensity == "window" else "magnitude",
                    "modality": card.modality,
                    "num_channels": 1,
                    "spatial_shape": size,
                    "dtype": "float32",
                    "value_range": [-1, 1],
                    "is_patch_data": not dense,
                    "channel_def": {"0": "image"},
                }
            },
            "outputs": {
                "embedding": _output(width["embedding"], dense=dense),
                "code": _output(code, dense=dense) | {"unit": "mm" if card.in_mm else ""},
            },
        },
    }


def _output(channels: int, *, dense: bool) -> dict[str, Any]:
    shape = ["8*n", "8*n", "8*n"] if dense else [1, 1, 1]
    return {"type": "tuples", "format": "raw", "num_channels": channels, "spatial_shape": shape, "dtype": "float32",
            "value_range": [], "is_patch_data": not dense, "channel_def": {"0": "feature"}}  # fmt: skip


def inference(preparation: Preparation) -> dict[str, Any]:
    """The network, and MONAI's nearest transforms from a file to prepared voxels."""
    if preparation.intensity == "window":
        low, high = preparation.window_hu
        scale: dict[str, Any] = {"_target_": "ScaleIntensityRanged", "a_min": low, "a_max": high, "clip": True}
    else:
        low, high = preparation.percentiles
        scale = {"_target_": "ScaleIntensityRangePercentilesd", "lower": low, "upper": high, "clip": False}
    chain = [
        {"_target_": "LoadImaged", "keys": "image", "reader": "NibabelReader"},
        {"_target_": "EnsureChannelFirstd", "keys": "image"},
        {"_target_": "Orientationd", "keys": "image", "axcodes": "RAS"},
        {"_target_": "Spacingd", "keys": "image", "pixdim": [preparation.spacing_mm] * 3, "mode": "bilinear"},
        {**scale, "keys": "image", "b_min": -1.0, "b_max": 1.0},
    ]
    return {
        "imports": ["$import torch"],
        "bundle_root": ".",
        "device": "cpu",
        "network_def": "$torch.jit.load(@bundle_root + '/models/model.ts', map_location=@device).eval()",
        "preprocessing": {"_target_": "Compose", "transforms": chain},
    }
