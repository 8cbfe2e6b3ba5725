"""A dense network says the same of a place however it is asked, and knows no border from within."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from isimed.data.prepared.preprocess import Preparation, Prepared
from isimed.explore.search.retrieve import code_at
from isimed.explore.tables.embed import embed_crops, embed_prepared
from isimed.models import dense
from isimed.models.card import Card
from isimed.models.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from isimed.models.dense import DenseBackbone, Edges, read_field, whole_field
from isimed.models.encoder import Encoder
from isimed.models.inference import for_inference
from isimed.models.weights import network_of

CT = Preparation(spacing_mm=4.0, intensity="window", foreground_above=-500.0)
CARD = Card(
    name="d",
    method="isimed-dense",
    architecture="dense",
    windows_hu=((-120.0, 200.0), (-1000.0, -500.0)),
    heads={"distance": 16},
    preparation=CT,
)


def network(card: Card = CARD) -> Encoder:
    """With statistics of its own in every norm, as after a training."""
    torch.manual_seed(0)
    made = network_of(card)
    for name, buffer in made.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_(0, 0.1)
        elif name.endswith("running_var"):
            buffer.uniform_(0.5, 1.5)
    return made.eval()


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    return load_checkpoint(save_checkpoint(tmp_path_factory.mktemp("c") / "d", network(), CARD))


def volume(shape: tuple[int, int, int] = (33, 28, 21), seed: int = 0) -> Prepared:
    rng = np.random.default_rng(seed)
    affine = np.diag([4.0, 4.0, 4.0, 1.0])
    affine[:3, 3] = (-50, 20, 7)
    image = rng.uniform(-1, 0.5, shape).astype(np.float16)
    body = np.ones(shape, dtype=bool)
    middle = affine[:3, 3] + 4 * (np.array(shape) - 1) / 2
    return Prepared(image, body, {}, affine, middle, -1.0, calibrated=True)


def test_a_dense_checkpoint_comes_back_as_it_was(checkpoint: Checkpoint) -> None:
    images = torch.rand(1, 1, 32, 16, 48) * 2 - 1
    assert checkpoint.encoder.is_dense
    with torch.inference_mode():
        before, after = (
            network().outputs(images, torch.ones(1, 5, 3)),
            checkpoint.encoder.outputs(images, torch.ones(1, 5, 3)),
        )
    assert before["embedding"].shape == (1, 5, 48)
    assert before["distance"].shape == (1, 5, 16)
    assert torch.equal(before["distance"], after["distance"])


def test_half_precision_moves_no_code_by_a_millimetre(tmp_path: Path) -> None:
    stored = load_checkpoint(save_checkpoint(tmp_path / "d", network(), CARD, half=True))
    images = torch.rand(1, 1, 32, 32, 32) * 2 - 1
    with torch.inference_mode():
        a, b = (n.outputs(images)["distance"] for n in (network(), stored.encoder))
    assert (a - b).norm() < 0.5


def test_a_card_of_before_is_a_crop_network() -> None:
    old = Card.model_validate({"name": "x", "method": "isimed"})
    assert old.architecture == "crop"
    assert old.step_mm == 24.0
    assert not network_of(old).is_dense


def test_scans_without_hounsfield_units_are_seen_through_one_channel() -> None:
    mri = CARD.model_copy(update={"windows_hu": (), "preparation": Preparation()})
    assert network_of(mri).backbone.stem[0].in_channels == 1
    assert network_of(CARD).backbone.stem[0].in_channels == 3


def test_soft_tissue_and_lung_fill_their_channels() -> None:
    low, high = network_of(CARD).backbone.windows[0]
    hu = np.array([low, high]) * 1250 + 250  # -1000 to 1500 HU are -1 to 1
    np.testing.assert_allclose(hu, [-120, 200])


def test_the_fast_network_gives_the_same_field(checkpoint: Checkpoint) -> None:
    image = torch.rand(20, 30, 18) * 2 - 1
    places = torch.rand(40, 3) * torch.tensor([19.0, 29.0, 17.0])
    with torch.inference_mode():
        plain = whole_field(checkpoint.encoder.backbone, image, -1.0).at(places)
        fast = whole_field(for_inference(checkpoint.encoder), image, -1.0).at(places)
    torch.testing.assert_close(fast, plain, atol=5e-3, rtol=5e-3)


def test_features_are_read_where_they_lie() -> None:
    """Features that say where they are, at the half voxels where a stride of two puts them: reading gives the place."""
    axes = [torch.arange(n) * 2 + 0.5 for n in (8, 5, 6)]
    field = torch.stack(torch.meshgrid(*axes, indexing="ij"))[None]
    places = torch.tensor([[[1.0, 2.25, 3.0], [13.5, 0.5, 9.75], [7.1, 8.0, 10.5]]])
    torch.testing.assert_close(read_field(field, places), places)


def test_a_place_is_the_same_however_a_volume_is_padded(checkpoint: Checkpoint) -> None:
    """The middle of a crop of 32, by the whole volume's field and by that crop as a volume of its own."""
    crop = torch.rand(32, 32, 32) * 2 - 1
    backbone = checkpoint.encoder.backbone
    with torch.inference_mode():
        alone = backbone(crop[None, None])[0]
        window = backbone.field(crop[None, None])
        torch.testing.assert_close(alone, read_field(window, torch.full((1, 1, 3), 15.5))[0, 0])
        assert torch.allclose(alone, window[0, :, 7:9, 7:9, 7:9].mean((1, 2, 3)), atol=1e-5)


def test_what_moves_by_whole_strides_takes_its_codes_along(checkpoint: Checkpoint) -> None:
    """The deepest level has a stride of 16 voxels: moved by that, features move and stay the same, mm for mm."""
    generator = torch.Generator().manual_seed(3)
    image = torch.full((112, 112, 112), -1.0)
    image[48:64, 48:64, 48:64] = torch.rand(16, 16, 16, generator=generator)
    moved = image.roll((16, 0, -16), (0, 1, 2))
    place = torch.tensor([[55.3, 56.0, 57.9]])
    with torch.inference_mode():
        here = whole_field(checkpoint.backbone, image, -1.0).at(place)
        there = whole_field(checkpoint.backbone, moved, -1.0).at(place + torch.tensor([16.0, 0, -16]))
    torch.testing.assert_close(here, there, atol=2e-2, rtol=2e-2)


def test_where_there_is_nothing_to_see_all_levels_look_alike_up_to_the_border(checkpoint: Checkpoint) -> None:
    """Padding with noughts would show the border at the deepest level, and through it everywhere."""
    backbone, seen = checkpoint.encoder.backbone, []
    hooks = [level.register_forward_hook(lambda *said: seen.append(said[2])) for level in backbone.encode]
    with torch.inference_mode():
        backbone.field(torch.full((1, 1, 48, 32, 64), 0.3))
    for hook in hooks:
        hook.remove()
    assert [tuple(level.shape[2:]) for level in seen] == [(24, 16, 32), (12, 8, 16), (6, 4, 8), (3, 2, 4)]
    for level in seen:
        torch.testing.assert_close(level, level[:, :, :1, :1, :1].expand_as(level), atol=1e-4, rtol=1e-4)


def test_a_table_of_a_dense_network_holds_what_a_click_is_told(checkpoint: Checkpoint) -> None:
    scan = volume()
    table = embed_prepared("scan", scan, checkpoint, step_mm=16.0)
    assert table.embedding.shape[1:] == (48,)
    assert table.code.shape[1:] == (16,)
    for row in (0, len(table) // 2, -1):
        np.testing.assert_allclose(code_at(checkpoint, scan, table.centre_mm[row]), table.code[row], atol=1e-3)


def test_a_click_between_voxels_lies_between_their_codes(checkpoint: Checkpoint) -> None:
    scan = volume()
    ends = [code_at(checkpoint, scan, scan.to_mm(np.array(v) + 0.5)) for v in ((9.5, 12, 8), (10.5, 12, 8))]
    between = code_at(checkpoint, scan, scan.to_mm(np.array([10.5, 12.5, 8.5])))
    np.testing.assert_allclose(between, np.mean(ends, axis=0), atol=2e-2)


def test_one_pass_serves_many_clicks(checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    passes: list[int] = []
    real = DenseBackbone.field
    monkeypatch.setattr(DenseBackbone, "field", lambda *a: passes.append(1) or real(*a))
    scan = volume(seed=5)
    for place in ((3, 4, 5), (20, 9, 11)):
        embed_crops(checkpoint, scan, np.array([place]))
    assert len(passes) == 1


@torch.inference_mode()
@pytest.mark.parametrize(("edges", "tells"), [("repeated", False), ("noughts", True)])
def test_noughts_at_the_edges_tell_a_network_how_far_the_border_is(edges: Edges, tells: bool) -> None:
    """Of a window that looks the same everywhere, its deepest features can differ by their way to the border alone."""
    torch.manual_seed(0)
    backbone, seen = DenseBackbone(widths=(8, 8, 8, 8), edges=edges).eval(), []
    backbone.encode[-1].register_forward_hook(lambda *said: seen.append(said[2]))
    assert backbone.field(torch.full((1, 1, 64, 64, 64), 0.3)).shape == (1, 8, 32, 32, 32)
    (deepest,) = seen
    apart = (deepest - deepest[..., :1, :1, :1]).abs().max() / deepest.abs().max()
    assert bool(apart > 0.05) is tells
    assert tells or apart < 1e-5


@torch.inference_mode()
@pytest.mark.parametrize("axis", [0, 2])
def test_a_volume_in_tiles_has_the_codes_of_one_pass_but_near_the_seams(
    axis: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    small = DenseBackbone(widths=(8, 8, 8, 8)).eval()
    shape, background = [8, 9, 20], -1.0
    shape[axis] = 466 if axis == 2 else 450  # along x lies air as well
    image = torch.rand(shape, generator=torch.Generator().manual_seed(0)) * 1.5 - 1
    whole = whole_field(small, image, background)
    sizes: list[int] = []
    field = DenseBackbone.field
    monkeypatch.setattr(dense, "LARGEST", 32 * 32 * 300)
    monkeypatch.setattr(DenseBackbone, "field", lambda net, x: sizes.append(x.shape[2 + axis]) or field(net, x))
    tiled = whole_field(small, image, background)
    assert sizes == [288, 288]
    assert tiled.before == whole.before
    assert tiled.features.shape == whole.features.shape
    apart = (tiled.features.float() - whole.features.float()).abs().amax(0)
    along = apart.amax([other for other in range(3) if other != axis])
    scale = float(whole.features.float().abs().mean())
    seam, reach = len(along) // 2, 60  # features
    far = torch.cat([along[: seam - reach], along[seam + reach :]])
    assert float(far.max()) < 0.02 * scale
    assert float(along.max()) < scale


def test_tiles_cover_an_axis_and_overlap() -> None:
    for size, most in ((200, 300), (480, 300), (1600, 256), (208, 100), (4800, 200)):
        tiles = dense.tiles_along(size, most)
        assert tiles[0][0] == 0
        assert tiles[-1][1] == size
        assert all(start % 16 == 0 for start, _ in tiles)
        assert all(first_end - second >= dense.OVERLAP - 16 for (_, first_end), (second, _) in pairwise(tiles))
