"""What fields are called on pages, by the names of the options that they are on the command line and in Python."""

NAMES = {  # where the option's name does not say it to a person
    "limit": "Patients, at most",
    "split": "Split file",
    "spacing_mm": "Spacing, mm",
    "mm_per_unit": "Code scale, mm",
    "clip_norm": "Largest gradient norm",
    "scaling": "Intensities",
    "window_low_hu": "Window from, HU",
    "window_high_hu": "Window to, HU",
    "percentile_low": "Percentile from, %",
    "percentile_high": "Percentile to, %",
    "foreground_above": "Body above",
    "on": "Where to work",
    "gpus": "GPUs a node",
    "hours": "Time limit, h",
    "channel": "Image or channel",
    "copy": "Copy the files",
    "patient_from": "patient, in the table",
    "region": "body region, in the table",
    "modality": "modality, in the table",
    "role": "role, in the table",
}


def field_of(option: str) -> str:
    """The field of an option.

    >>> field_of("hours"), field_of("volumes_per_step")
    ('Time limit, h', 'Volumes per step')
    """
    return NAMES.get(option, option.replace("_", " ").capitalize().replace("Barlow twins", "Barlow Twins"))
