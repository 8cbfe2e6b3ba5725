"""Each checkpoint has a README that says what its card says today."""

from pathlib import Path

import pytest

from isimed.models.card import Card, read_card
from isimed.models.sharing.model_card import in_words
from isimed.models.sharing.sums import read_sums, sum_of
from tests.conftest import REPOSITORY

FOLDERS = sorted(file.parent for file in REPOSITORY.glob("checkpoints/*/checkpoint.json"))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_readme_and_checksums_are_those_of_the_card(folder: Path) -> None:
    assert (folder / "README.md").read_text(encoding="utf-8") == in_words(read_card(folder)), (
        f"isimed checkpoints card {folder}"
    )
    sums = read_sums((folder / "SHA256SUMS").read_text(), "SHA256SUMS")
    assert sums == {name: sum_of(folder / name) for name in sums}
    held = {file.name for file in folder.iterdir()} - {"SHA256SUMS"}
    assert held == set(sums)


def test_a_card_says_data_licence_figures_and_limits() -> None:
    card = Card(
        name="liver", method="isimed", modality="CT", region="of the abdomen", licence='My "own"',
        cohort={"name": "livers", "patients": {"train": 7, "validation": 2}},
        results={"validation": {"rmse_mm": 12.345, "spearman": None}},
    )  # fmt: skip
    said = in_words(card)
    for words in ("# liver", "7 patients of `livers`", "2 held-out", "12.3 mm", "not for diagnosis", "of the abdomen"):
        assert words.lower() in said.lower()
    assert 'license_name: "My \\"own\\""' in said
    assert "Spearman" not in said
    bare = in_words(Card(name="bare", method="simclr", heads={"simclr": 512}))
    assert "no millimetres" in bare
    assert "Figures" not in bare
