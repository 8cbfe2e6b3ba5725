"""The front door: ``streamlit run app.py`` serves the pages and, beside them, the voxels they show."""

import streamlit as st

from isimed.core import paths
from isimed.ui import garbage, server
from isimed.ui.errors import show_error

garbage.collect_seldom()
app = st.App(
    paths.PACKAGE / "ui" / "main.py",
    routes=server.routes(),
    middleware=server.middleware(),
    on_script_error=show_error,
)
