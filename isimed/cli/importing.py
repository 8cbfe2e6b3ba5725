"""A folder, zip or DICOM tree becomes a cohort."""

from isimed.cli.output import bar
from isimed.cli.parser import Commands, Options


def add(commands: Commands) -> None:
    importing = commands.add("import", run, "Turn a folder, zip or DICOM tree into a cohort; nothing is copied.")
    importing.add_argument("path", help="folder, zip or file on this machine")
    importing.add_argument("--name", help="what to call the cohort (default: the folder's name)")
    importing.add_argument("--layout", default="auto", help="how the folder is laid out (default: recognise it)")
    importing.add_argument("--channel", help="which channel: a number from 0, or a name such as flair, CT or SUV")
    importing.add_argument("--copy", action="store_true", help="copy the files into ISIMED_HOME")


def run(options: Options) -> None:
    from isimed.data.cohorts.cohort import Cohort
    from isimed.data.cohorts.importing import import_cohort

    with bar("file", "Reading") as progress:
        manifest = import_cohort(
            options.path,
            name=options.name,
            layout=options.layout,
            channel=options.channel,
            copy=options.copy,
            progress=progress,
        )
    cohort = Cohort.load(manifest)
    print(cohort.description)
    print(f"{cohort.name}: {len(cohort.volumes)} volumes of {len(cohort.subjects)} patients in {manifest}")
