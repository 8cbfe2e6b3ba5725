"""The front door: ``streamlit run app.py`` serves the pages and, beside them, the voxels they show."""

import streamlit as st

from isimed.core import paths
from isimed.ui.errors import show_error
from isimed.ui.slice_viewer import files, voxel_server

app = st.App(
    paths.PACKAGE / "ui" / "main.py", routes=[*voxel_server.routes(), *files.routes()], on_script_error=show_error
)
