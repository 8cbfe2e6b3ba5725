"""The studies of what the paper left open measure what they say they do."""

import numpy as np
import torch

from benchmarks.studies import deformation, look, pathology
from docs.scripts import open_questions
from isimed.models.encoder import untrained_encoder


def test_the_look_is_that_of_the_crop_and_of_its_middle() -> None:
    layers = untrained_encoder().backbone.features
    crop = torch.zeros(1, 1, 32, 32, 32)
    bright = crop.clone()
    bright[..., 15:17, 15:17, 15:17] = 1.0  # in the middle
    aside = crop.clone()
    aside[..., 1:3, 1:3, 1:3] = 1.0
    plain, middle, corner = (look.look(layers, one) for one in (crop, bright, aside))
    assert plain.shape == (1, 512)
    half = plain.shape[1] // 2
    assert np.abs(middle - plain)[:, half:].max() > 10 * np.abs(corner - plain)[:, half:].max()
    assert np.abs(corner - plain)[:, :half].max() > 0


def test_what_tumour_adds_to_the_error_is_found() -> None:
    rng = np.random.default_rng(0)
    tumour, subject = np.arange(400) % 2 == 0, np.repeat(np.arange(20), 20)
    found = pathology.figures(rng.normal(10, 1, 400) + 3 * tumour, tumour, subject)
    assert found["tumour"] == found["healthy"] == 200
    added = found["tumour_less_healthy_mm"]
    assert added["low"] < 3 < added["high"]
    assert added["low"] > 2


def test_an_affine_move_is_no_deformation() -> None:
    rng = np.random.default_rng(0)
    points = rng.uniform(-80, 80, (60, 3))
    moved = points @ (np.eye(3) + rng.normal(0, 0.1, (3, 3))) + (5, -3, 20)
    np.testing.assert_allclose(deformation.best_affine(points, moved), moved, atol=1e-9)
    bent = moved + 10 * np.sin(points / 20)
    assert np.linalg.norm(deformation.best_affine(points, bent) - bent, axis=1).mean() > 3


def test_places_are_parted_by_their_deformation() -> None:
    size = np.linspace(0, 9, 300)
    found = deformation.figures({"deformation": size, "codes": 2 * size}, np.arange(300) % 10)
    parts = [found[name] for name in deformation.THIRDS]
    assert [round(part["deformation"]["value"], 1) for part in parts] == [1.5, 4.5, 7.5]
    assert all(np.isclose(part["codes"]["value"], 2 * part["deformation"]["value"]) for part in parts)


def test_the_tables_hold_every_study() -> None:
    text = "\n".join(open_questions.tables())
    for name in ("headneck-ct", "demo-flair", "embedding and untrained look, less embedding", "| most |"):
        assert name in text
