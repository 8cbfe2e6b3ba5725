"""``README.md`` of a checkpoint: its card in words, for whoever finds the folder, in the form that hubs read."""

from pathlib import Path

from isimed.core.files import write_file
from isimed.models.card import Card, read_card
from isimed.models.sharing.sums import README, write_sums

FIGURES = {
    "pearson": ("Correlation of latent and physical distance (Pearson)", "{:.3f}"),
    "spearman": ("The same by rank (Spearman)", "{:.3f}"),
    "stress": ("Stress of distances, 0 is best", "{:.3f}"),
    "rmse_mm": ("Error of a distance (root mean square)", "{:.1f} mm"),
    "rankme": ("Effective rank of embeddings (RankMe)", "{:.0f}"),
    "code_rankme": ("Effective rank of codes (RankMe)", "{:.0f}"),
}


def write_card(folder: Path) -> Path:
    """Write ``README.md`` and ``SHA256SUMS`` of a checkpoint's folder.

    Raises:
        InputError: the folder holds no checkpoint, or cannot be written.
    """
    file = write_file(folder / README, in_words(read_card(folder)))
    write_sums(folder)
    return file


def in_words(card: Card) -> str:
    """A checkpoint's card as Markdown: what it is, how to use it, data, licence, figures and limits.

    >>> in_words(Card(name="mine", method="isimed")).splitlines()[9]
    '# mine'
    """
    lines = ["---", "library_name: isimed", "license: other", f"license_name: {_quoted(card.licence or 'not said')}"]
    lines += ["tags:", "- medical-imaging", f"- {card.method.split(':')[0]}", "---", "", f"# {card.name}", ""]
    lines += [card.description or "Nothing is said of what it was trained on.", ""]
    lines += [f"**{card.limits}**", "", "## Use", "", "```python", "import isimed", ""]
    lines += [f'table = isimed.embed("scan.nii.gz", checkpoint="{card.name}")', "```", "", *_what(card), *_data(card)]
    lines += [
        "",
        "## Licence",
        "",
        f"{card.licence or 'Not said.'}",
        *_figures(card),
        "",
        "## Limits",
        "",
        _limits(card),
    ]
    lines += ["", "## Files", "", "`checkpoint.json` (this card, as data), `weights.safetensors`, and where it stands"]
    lines += ["here `fit.safetensors`, by which it says whether it fits a scan. `SHA256SUMS` has their checksums."]
    return "\n".join(lines) + "\n"


def _what(card: Card) -> list[str]:
    preparation = card.preparation
    scale = (
        f"{preparation.window_hu[0]:g} to {preparation.window_hu[1]:g} HU"
        if preparation.intensity == "window"
        else f"the {preparation.percentiles[0]:g}th to the {preparation.percentiles[1]:g}th percentile"
    )
    network = "a residual U-Net, all places in one pass" if card.architecture == "dense" else "a 3D DenseNet121"
    heads = ", ".join(f"{name} {size}" for name, size in card.heads.items())
    return [
        "## Network and input",
        "",
        f"- {network[0].upper()}{network[1:]}; method `{card.method}`; heads: {heads}.",
        f"- L2 distances of codes are {'millimetres' if card.in_mm else 'no millimetres'}.",
        f"- Voxels of {preparation.spacing_mm:g} mm, axes R A S, cut to the body; {scale} becomes -1 to 1.",
        f"- Crops of {card.crop_size} voxels ({card.crop_mm:g} mm).",
        "",
    ]


def _data(card: Card) -> list[str]:
    shows = " ".join(filter(None, (card.modality, card.sequence and f"({card.sequence})", card.region)))
    made = "synthetic " if card.cohort.get("synthetic") else ""
    lines = [
        "## Data",
        "",
        f"- {shows}.",
        f"- Trained on {card.patients} {made}patients of `{card.cohort.get('name', '?')}`.",
    ]
    source = card.cohort.get("provenance")
    return lines + ([f"- {source}"] if source else [])


def _figures(card: Card) -> list[str]:
    measured = card.results.get("validation", {})
    rows = [(*FIGURES[name], measured[name]) for name in FIGURES if measured.get(name) is not None]
    if not rows:
        return []
    held = card.cohort.get("patients", {}).get("validation") or len(card.cohort.get("validation", ()))
    head = f"On {held} held-out patients" if held else "On held-out patients"
    lines = ["", "## Figures", "", f"{head}, on whom the best epoch was chosen: no test result.", ""]
    return [*lines, "| figure | value |", "|---|---|", *(f"| {words} | {form.format(v)} |" for words, form, v in rows)]


def _limits(card: Card) -> str:
    fits = f"It was trained on {card.modality} {card.region}".strip()
    return f"{fits}; on anything else its codes mean nothing. {card.limits}"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
