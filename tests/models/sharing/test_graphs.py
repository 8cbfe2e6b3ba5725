"""Networks in other programs give isimed's numbers, and the scripts of the documentation open them without isimed."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from isimed.core.errors import InputError
from isimed.models.checkpoint import load_checkpoint
from isimed.models.dense import whole_field
from isimed.models.sharing.elsewhere import FORMS, Form, export
from tests.conftest import REPOSITORY

TOLERANCE = 1e-4  # of the largest value
FILE: dict[Form, str] = {"onnx": "network.onnx", "torchscript": "network.pt", "monai-bundle": "network-bundle"}
PAGE = (REPOSITORY / "docs" / "elsewhere.md").read_text(encoding="utf-8")
SCRIPTS = dict(zip(FORMS, re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL), strict=True))
CASES = [("demo-brain", "onnx"), ("demo-brain", "monai-bundle"), ("headneck-ct-dense", "onnx")]
CASES += [("headneck-ct-dense", "torchscript")]


def run_without_isimed(script: str, folder: Path) -> None:
    (folder / "script.py").write_text("import sys\nsys.modules['isimed'] = None\n" + script)
    done = subprocess.run(
        [sys.executable, "-I", "script.py"], cwd=folder, capture_output=True, text=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(("name", "form"), CASES, ids=lambda name: name)
def test_ten_lines_without_isimed_give_the_same_numbers(name: str, form: Form, tmp_path: Path) -> None:
    if form == "onnx":
        pytest.importorskip("onnxruntime")
        pytest.importorskip("onnxscript")
    checkpoint = load_checkpoint(name)
    dense = checkpoint.card.architecture == "dense"
    size = (1, 1, 48, 32, 64) if dense else (3, 1, 32, 32, 32)
    voxels = np.random.default_rng(7).uniform(-1, 1, size).astype(np.float32)
    np.save(tmp_path / "voxels.npy", voxels)
    export(checkpoint, tmp_path / FILE[form], form=form)
    assert len(SCRIPTS[form].strip().splitlines()) <= 11
    run_without_isimed(SCRIPTS[form], tmp_path)
    with torch.no_grad():
        encoder = checkpoint.encoder.cpu()
        if dense:
            ours = encoder.code(encoder.backbone.field(torch.from_numpy(voxels)).movedim(1, -1)).movedim(-1, 1).numpy()
        else:
            ours = encoder.outputs(torch.from_numpy(voxels))["distance"].numpy()
    theirs = np.load(tmp_path / "code.npy")
    assert theirs.shape == ours.shape
    assert np.abs(theirs - ours).max() <= TOLERANCE * np.abs(ours).max()


def test_a_dense_graph_is_what_search_reads(tmp_path: Path) -> None:
    """The graph's input is what `whole_field` gives the network, with the air around it."""
    checkpoint = load_checkpoint("headneck-ct-dense")
    network = torch.jit.load(export(checkpoint.folder, tmp_path / "network.pt", form="torchscript"))
    image = torch.from_numpy(np.random.default_rng(8).uniform(-1, 1, (16, 16, 32)).astype(np.float32))
    with torch.no_grad():
        found = whole_field(checkpoint.encoder.cpu().backbone, image, -1.0)
        around = torch.nn.functional.pad(image[None, None], (0, 0, 8, 8, 8, 8), value=-1.0)
        features, _ = network(around)
    assert found.before == (8, 8, 0)
    assert torch.allclose(found.features.float(), features[0], atol=2e-3 * float(features.abs().max()))


def test_a_bundle_is_one_for_monai_and_names_no_patient(tmp_path: Path) -> None:
    from monai.bundle import ConfigParser

    folder = export("headneck-ct-dense", tmp_path / "bundle", form="monai-bundle")
    meta = ConfigParser.load_config_file(str(folder / "configs" / "metadata.json"))
    for wanted in ("version", "monai_version", "task", "description", "authors", "copyright", "network_data_format"):
        assert meta[wanted]
    assert meta["network_data_format"]["outputs"]["code"]["num_channels"] == 16
    assert not any("HN-003" in file.read_text() for file in folder.rglob("*.json"))
    parser = ConfigParser()
    parser.read_config(str(folder / "configs" / "inference.json"))
    assert len(parser.get_parsed_content("preprocessing").transforms) == 5
    with pytest.raises(InputError, match="exists"):
        export("headneck-ct-dense", folder, form="monai-bundle")


def test_a_wrong_ending_is_said_before_the_work(tmp_path: Path) -> None:
    for form, ending in (("onnx", ".onnx"), ("torchscript", ".pt")):
        with pytest.raises(InputError, match=ending):
            export("demo-brain", tmp_path / "network.bin", form=form)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())
