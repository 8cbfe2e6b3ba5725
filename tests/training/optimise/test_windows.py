"""Windows of virtual patients: a place is where it is said to be, to a fraction of a voxel."""

import numpy as np
import pytest
import torch

from isimed.data.prepared.preprocess import Prepared
from isimed.training.optimise.config import TrainConfig
from isimed.training.optimise.windows.deform import Draw, Strength, Window, rotation
from isimed.training.optimise.windows.window_batches import Recipe, WindowBatches, virtual_patients
from isimed.training.optimise.windows.window_look import Looks, draw_cut, picture

PLAIN = Looks(cut=0, block=0, thick=(0, 0, 0), contrast=0, brightness=0, noise=0)
CPU = torch.device("cpu")


def volume(axis: int = 0, shape: tuple[int, int, int] = (60, 50, 70)) -> Prepared:
    """Each voxel says its own index along an axis, in hundredths: what a window shows is then where it looks."""
    image = np.moveaxis(np.broadcast_to(np.arange(shape[axis]) / 100, [*np.delete(shape, axis), shape[axis]]), -1, axis)
    body = np.zeros(shape, bool)
    body[8:-8, 8:-8, 8:-8] = True
    affine = np.diag([4.0, 4.0, 4.0, 1.0])
    return Prepared(image.astype(np.float32), body, {}, affine, np.zeros(3), -1.0)  # type: ignore[arg-type]


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_what_lies_at_a_place_of_a_window_is_what_lies_there_in_the_volume(axis: int) -> None:
    """The way of a place (patient -> window) is the way back of the picture (window -> patient -> voxel)."""
    draw = Draw(axis, CPU)
    patients = virtual_patients([volume(axis), volume(axis)], draw)
    inside = 15 + draw.uniform(2, 200, 3) * torch.tensor([30.0, 20.0, 40.0])
    u = patients.from_voxel(inside)
    torch.testing.assert_close(patients.to_voxel(u), inside, atol=0.1, rtol=0)
    window = Window(patients, (48, 64, 32), u[:, 0], Strength(), draw)
    cut = draw_cut(window, PLAIN, draw)
    seen = picture(window, cut, PLAIN, draw, calibrated=False)
    w = window.from_patient(u)
    near = (w.abs() < window.half - 10).all(-1)
    assert near[:, 0].all()
    assert near.sum() > 40
    voxels = window.to_window_voxel(w)
    at = (voxels / (torch.tensor(window.shape) - 1) * 2 - 1).flip(-1)
    values = torch.nn.functional.grid_sample(seen, at[:, :, None, None], align_corners=True)[:, 0, :, 0, 0]
    found = values * 100
    assert (found - inside[..., axis])[near].abs().max() < 0.35  # voxels; the picture is read between its voxels


def test_bodies_are_stretched_and_windows_turned_by_what_is_asked_for() -> None:
    still = Strength(0, 0, 0, 0, 0, 0, 0)
    draw = Draw(0, CPU)
    patients = virtual_patients([volume()], draw, still)
    u = torch.tensor([[[40.0, -20.0, 12.0]]])
    torch.testing.assert_close(patients.to_voxel(u), torch.tensor([[[39.5, 19.5, 37.5]]]))
    angle = torch.tensor([[0.0, 0.0, np.pi / 2]])
    torch.testing.assert_close(
        rotation(angle)[0] @ torch.tensor([1.0, 0, 0]), torch.tensor([0.0, 1, 0]), atol=1e-6, rtol=0
    )


def test_beyond_a_cut_there_is_nothing_and_no_place_is_shown() -> None:
    draw = Draw(3, CPU)
    patients = virtual_patients([volume() for _ in range(12)], draw)
    u = patients.from_voxel(20 + 20 * draw.uniform(12, 300, 3))
    window = Window(patients, (32, 48, 32), u[:, 0], Strength(), draw)
    cut = draw_cut(window, Looks(cut=1.0), draw)
    seen = picture(
        window, cut, Looks(cut=1.0, block=0, thick=(0, 0, 0), contrast=0, brightness=0, noise=0), draw, calibrated=False
    )
    w = window.places().reshape(1, -1, 3).expand(12, -1, 3)
    beyond = ~cut.shows(w)
    assert (cut.at_mm < 1e5).all()
    for image, gone in zip(seen.flatten(2)[:, 0], beyond, strict=True):
        assert gone.sum() == 0 or image[gone].unique().numel() == 1
    assert cut.shows(window.anchors[:, None], 10.0).all()  # what a window is there for is never cut away


def test_a_step_is_drawn_again_as_it_was_and_another_step_is_another() -> None:
    config = TrainConfig(cohort="any", method="isimed-dense", volumes_per_step=2, largest_window=48)
    batches = [WindowBatches(config, [volume(), volume(2), volume(1)], CPU) for _ in range(2)]
    first, again, other = batches[0].draw(5), batches[1].draw(5), batches[0].draw(4)
    assert torch.equal(first.windows[0].images, again.windows[0].images)
    assert torch.equal(first.windows[1].voxels, again.windows[1].voxels)
    assert torch.equal(first.shown, again.shown)
    assert first.centres_mm.shape == (len(first.groups), 768, 3)
    assert not torch.equal(first.centres_mm[:1], other.centres_mm[:1])


def test_places_that_a_step_counts_lie_in_the_windows_that_show_them() -> None:
    config = TrainConfig(cohort="any", method="isimed-dense", volumes_per_step=3, largest_window=64)
    batch = WindowBatches(config, [volume(), volume(2), volume(1)], CPU).draw(0)
    assert batch.shown.amax(1).mean() > 0.5
    for number, view in enumerate(batch.windows):
        size = torch.tensor(view.images.shape[2:])
        assert all(edge % 16 == 0 and 32 <= edge <= 64 for edge in size.tolist())
        shown = batch.shown[:, number] > 0
        assert shown[:, :].any(1).all()
        assert (view.voxels[shown] > 0).all()
        assert (view.voxels[shown] < size - 1).all()


def test_two_processes_share_the_volumes_of_a_step_and_draw_what_one_draws() -> None:
    config = TrainConfig(cohort="any", method="isimed-dense", volumes_per_step=3, largest_window=32)
    volumes = [volume(), volume(2, (60, 44, 51)), volume(1, (33, 50, 70))]
    alone = WindowBatches(config, volumes, CPU).draw(0)
    parts = [WindowBatches(config, volumes, CPU, rank=rank, world=2).draw(0) for rank in (0, 1)]
    assert [part.groups.tolist() for part in parts] == [[0, 1], [2]]
    assert parts[0].total == parts[1].total == alone.total == 6
    for what in ("centres_mm", "shown", "groups"):
        torch.testing.assert_close(torch.cat([getattr(part, what) for part in parts]), getattr(alone, what))
    for number, view in enumerate(alone.windows):
        for what in ("images", "voxels"):
            together = torch.cat([getattr(part.windows[number], what) for part in parts])
            torch.testing.assert_close(together, getattr(view, what), rtol=1e-4, atol=1e-4)


def test_a_recipe_says_how_large_windows_are_and_what_is_hidden() -> None:
    config = TrainConfig(cohort="any", method="isimed-dense", volumes_per_step=3, largest_window=32)
    still = Recipe(smallest=16, places=50, strength=Strength(0, 0, 0, 0, 0, 0, 0), looks=PLAIN)
    volumes = [volume(), volume(), volume()]
    edges = set()
    for step in range(4):
        batch = WindowBatches(config, volumes, CPU, recipe=still).draw(step)
        assert batch.centres_mm.shape == (3, 50, 3)
        for view in batch.windows:
            edges |= set(view.images.shape[2:])
            at = (view.voxels / (torch.tensor(view.images.shape[2:]) - 1) * 2 - 1).flip(-1)
            seen = torch.nn.functional.grid_sample(view.images, at[:, :, None, None], align_corners=True)[:, 0, :, 0, 0]
            inside = (at.abs() < 0.8).all(-1)
            true = (batch.centres_mm[..., 0] / 4 + 29.5) / 100  # what the volume says of its first axis
            assert (seen - true)[inside].abs().max() < 2e-3
    assert edges == {16, 32}
