"""What stands beside the networks: how each control is called and drawn, those first that matter most."""

CONTROLS = {
    "untrained": "untrained network",
    "position_only": "position only",
    "mean_position": "mean position",
    "intensity_histogram": "intensity histogram",
    "body_box": "same place in the body box",
    "affine_registration": "affine registration",
    "deformable_registration": "deformable registration",
}
GREY = "#8a94a3"
MUTED = {
    "untrained": GREY,
    "position_only": "#a8946a",
    "mean_position": "#a8946a",
    "body_box": "#a8946a",
    "intensity_histogram": "#c3cad4",
    "affine_registration": "#6f9a89",
    "deformable_registration": "#4f8573",
}


def base_name(control: str) -> str:
    """``"untrained (2 mm, for mine)"`` -> ``"untrained"``."""
    return control.partition(" (")[0]


def column_label(name: str) -> str:
    """A checkpoint's or control's name as people read it.

    >>> column_label("position_only (2 mm, for mine)")
    'position only (2 mm, for mine)'
    """
    base = base_name(name)
    return f"{CONTROLS[base]}{name.removeprefix(base)}" if base in CONTROLS else name


def pair_label(pair: str) -> str:
    """``"mine - position_only"`` -> ``"mine - position only"``."""
    first, _, second = pair.rpartition(" - ")
    return f"{first} - {column_label(second)}"


def rank(control: str) -> int:
    """The place of a control among the others; unknown ones come last."""
    return ([*CONTROLS, base_name(control)]).index(base_name(control))
