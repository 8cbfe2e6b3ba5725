"""The body is found in every scan that has one, or the note says that it was not."""

import numpy as np
import pytest
from scipy import ndimage

from isimed.data.cohorts.cohort import Cohort
from isimed.data.formats.volume import Volume
from isimed.data.prepared.body import body_mask
from isimed.data.prepared.preprocess import Preparation, prepare
from isimed.data.quality.facts import measure
from isimed.data.quality.rules import volume_findings


class TestBody:
    """Air inside the body is body; air around it is not, nor is a second piece."""

    def test_lungs_are_body_also_where_they_open_to_the_outside_in_another_slice(self) -> None:
        chest = np.full((30, 32, 20), -1000.0, np.float32)
        chest[4:26, 5:27, 2:18] = 40
        chest[8:13, 10:20, 5:20] = -850  # a lung, open at the top, where it leaves the body
        chest[16:20, 12:14, 8] = -990  # a cavity of one slice
        body = body_mask(chest, above=-500)
        expected = np.zeros(chest.shape, bool)
        expected[4:26, 5:27, 2:18] = True
        np.testing.assert_array_equal(body, expected)

    def test_what_opens_to_the_air_within_a_slice_is_not_body(self) -> None:
        neck = np.full((20, 20, 6), -1000.0, np.float32)
        neck[4:16, 4:16] = 40
        neck[9:11, :10, 3] = -1000  # a gap from the front, in one slice
        body = body_mask(neck, above=-500)
        assert not body[9:11, :10, 3].any()
        assert body[9:11, 4:10, 2].all()

    def test_the_largest_piece_alone_is_body(self) -> None:
        scan = np.full((30, 30, 10), -1000.0, np.float32)
        scan[5:20, 5:20] = 40
        scan[25:28, 2:28] = 100  # the table
        body = body_mask(scan, above=-500)
        assert body.sum() == 15 * 15 * 10


SHAPE = (40, 44, 36)
MM = np.diag([3.0, 3.0, 3.0, 1.0])
HEAD = np.square(np.stack(np.meshgrid(*[np.linspace(-1.4, 1.4, n) for n in SHAPE], indexing="ij"))).sum(0) < 1
WAVES = np.sin(np.indices(SHAPE).sum(0) / 3) + np.random.default_rng(0).normal(0, 0.1, SHAPE)
BRAIN = np.where(HEAD, 600 + 250 * WAVES, 0).astype(np.float32)
CT = np.where(HEAD, 40 + 60 * WAVES, -1000 + 8 * np.random.default_rng(1).normal(size=SHAPE)).astype(np.float32)
SCORED = np.where(HEAD, (BRAIN - BRAIN[HEAD].mean()) / BRAIN[HEAD].std(), 0).astype(np.float32)
TUBE = np.square(np.indices(SHAPE)[:2] - np.array([19.5, 21.5])[:, None, None, None]).sum(0) < 19.5**2


def padded(image: np.ndarray, value: float) -> np.ndarray:
    return np.where(TUBE, image, np.float32(value))


SCANS = {
    "brain": ("MRI", BRAIN, []),
    "z-scored over the scan, the background lowest": ("MRI", (BRAIN - BRAIN.mean()) / BRAIN.std(), ["body"]),
    "z-scored in the brain, the background 0": ("MRI", SCORED, ["body"]),
    "z-scored in the brain, the background far below": ("MRI", np.where(HEAD, SCORED, np.float32(-9)), ["body"]),
    "scaled to -1 to 1": ("MRI", BRAIN / BRAIN.max() * 2 - 1, ["body"]),
    "shifted by 1024": ("MRI", BRAIN + 1024, ["body"]),
    "shifted below 0": ("MRI", BRAIN - 2000, ["body"]),
    "padded below": ("MRI", padded(BRAIN, -2000), ["body"]),
    "padded above": ("MRI", padded(BRAIN, 65535), ["body"]),
    "noise around, z-scored": (
        "MRI",
        ((BRAIN + 40 * np.abs(np.random.default_rng(2).normal(size=SHAPE))) - 300) / 300,
        ["body"],
    ),
    "CT": ("CT", CT, []),
    "CT padded with -2000": ("CT", padded(CT, -2000), []),
    "CT padded with -3024": ("CT", padded(CT, -3024), []),
    "CT padded with 3000": ("CT", padded(CT, 3000), ["body"]),
    "CT as it is stored, by 1024 too high": ("CT", CT + 1024, ["body"]),
    "CT as it is stored, background cut at 0": ("CT", np.clip(CT + 1000, 0, None), ["body"]),
}


@pytest.mark.parametrize("name", SCANS)
def test_the_body_is_found(name: str) -> None:
    modality, image, kinds = SCANS[name]
    ready = prepare(Volume(image.astype(np.float32), MM), Preparation.for_modality(modality))
    expected = ndimage.find_objects(HEAD.astype(int))[0]
    assert np.abs(np.array(ready.body.shape) - [axis.stop - axis.start for axis in expected]).max() <= 2
    assert ready.body.mean() == pytest.approx(HEAD[expected].mean(), abs=0.05)
    assert {getattr(note, "kind", "") for note in ready.notes} == set(kinds)
    assert ready.image[~ready.body].max(initial=-9) < np.median(ready.image[ready.body])
    facts, *_ = measure(Volume(image.astype(np.float32), MM), modality)
    assert HEAD.mean() - 0.05 < facts.body_fraction < HEAD.mean() + 0.12  # at 6 mm its rim is half a voxel wider
    assert {kind for kind, _ in facts.notes} == set(kinds)


@pytest.mark.parametrize(("modality", "image"), [("MRI", BRAIN[14:26, 14:30, 12:24]), ("CT", CT[14:26, 14:30, 12:24])])
def test_a_scan_of_nothing_but_body_says_so(modality: str, image: np.ndarray) -> None:
    ready = prepare(Volume(image, MM), Preparation.for_modality(modality))
    assert ready.body.all()
    assert [note.kind for note in ready.notes] == ["no background"]


def test_a_table_that_touches_the_body_is_said_and_one_apart_is_no_body() -> None:
    head = np.full((60, 70, 40), -1000, np.float32)
    head[20:40, 25:55, 4:36] = 40
    apart, touching = head.copy(), head.copy()
    apart[2:58, 8:10] = 200
    touching[2:58, 24:26] = 200
    facts = [measure(Volume(image, MM), "CT")[0] for image in (head, apart, touching)]
    assert [one.thin_mm for one in facts[:2]] == [0, 0]
    assert facts[0].body_mm == facts[1].body_mm
    assert facts[2].thin_mm == pytest.approx(54, abs=6)
    cohort = Cohort.model_validate({"name": "c", "modality": "CT", "volumes": [{"subject": "a", "image": "a.nii"}]})
    assert "head holder" in " ".join(
        finding.message for finding in volume_findings(facts[2].model_copy(update={"id": cohort.volumes[0].id}), cohort)
    )
