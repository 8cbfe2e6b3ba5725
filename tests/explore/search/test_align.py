"""One body is laid over another: shifted, stretched and cut."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from isimed.data.formats.volume import Volume
from isimed.data.prepared.preprocess import Prepared, prepare
from isimed.explore.search import align as aligning
from isimed.explore.search.align import PREPARATION, align, correlations, kept_alignment

SPACING = 8.0


def body(
    stretch: float = 1.0, shift_mm: NDArray | tuple[float, ...] = (0, 0, 0), *, keep: slice = slice(None)
) -> Prepared:
    """A trunk with a spine, two lungs above and a liver below them; ``keep`` cuts it along the axis."""
    x, y, z = (np.stack(np.meshgrid(*[np.arange(n) for n in (44, 32, 60)], indexing="ij")) * SPACING).astype(float)
    x, y, z = (x - 176) / stretch, (y - 128) / stretch, (z - 240) / stretch
    hu = np.where((x / 150) ** 2 + (y / 100) ** 2 < 1, 40.0, -1000.0)
    for side in (-70, 70):
        hu[((x - side) / 55) ** 2 + ((y - 10) / 65) ** 2 + ((z - 110) / 90) ** 2 < 1] = -850
    hu[((x - 60) / 75) ** 2 + (y / 70) ** 2 + ((z + 50) / 60) ** 2 < 1] = 120
    hu[np.hypot(x, y + 70) < 18] = 60
    hu[(np.hypot(x, y + 70) < 18) & (np.mod(z, 40) < 26)] = 500
    affine = np.diag([SPACING] * 3 + [1.0])
    affine[:3, 3] = np.asarray(shift_mm) + [0, 0, SPACING * (keep.start or 0)]
    return prepare(Volume(hu[:, :, keep].astype(np.float32), affine, name="body"), PREPARATION)


LIVER = np.array([176.0 + 60, 128.0, 240 - 50])


@pytest.mark.parametrize("keep", [slice(None), slice(0, 32), slice(24, None)])
def test_a_body_that_was_moved_and_cut_is_found_where_it_was(keep: slice, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aligning, "STRETCHES", (1.0,))
    there = align(body(keep=keep), body(shift_mm=(30, -50, 400)))
    assert there.map(LIVER) == pytest.approx(LIVER + [30, -50, 400], abs=aligning.STEP_MM)
    assert there.score > 0.6  # two thirds, where neither shows a lung


def test_a_larger_body_is_shrunk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aligning, "STRETCHES", (0.88, 1.0))
    middle = np.array([176.0, 128, 240])
    there = align(body(stretch=1.14), body())
    assert there.map(middle + 1.14 * (LIVER - middle)) == pytest.approx(LIVER, abs=1.5 * aligning.STEP_MM)
    assert np.linalg.norm(there.matrix[0]) < 1


def test_a_shift_scores_what_the_overlap_correlates() -> None:
    rng = np.random.default_rng(0)
    fixed, moving = rng.random((9, 8, 7)), rng.random((5, 6, 7))
    score = correlations([fixed], [moving])
    a, b = fixed[2:7, 1:7], moving  # moved by (2, 1, 0)
    assert score[2 + 4, 1 + 5, 0 + 6] == pytest.approx(np.corrcoef(a.ravel(), b.ravel())[0, 1], abs=1e-4)
    assert score[0, 0, 0] == -1  # they touch in one corner


def test_an_alignment_is_made_once_and_a_damaged_one_anew(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aligning, "STRETCHES", (1.0,))
    source, target = body(keep=slice(0, 32)), body()
    first = kept_alignment(source, target)
    (file,) = (home / "fields").glob("*.json")
    monkeypatch.setattr(aligning, "align", lambda *_: pytest.fail("made again"))
    again = kept_alignment(source, target)
    assert (again.matrix == first.matrix).all()
    assert again.score == first.score
    monkeypatch.setattr(aligning, "align", align)
    for damaged in ("{}", "[]", ""):
        file.write_text(damaged)
        assert kept_alignment(source, target).score == first.score
