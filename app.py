"""The front door: ``streamlit run app.py`` serves the pages and, beside them, the voxels they show."""

import streamlit as st

<<<<<<< HEAD
from isimed.core import paths
=======
from isimed.ui import server
>>>>>>> 89dcb97 (Names are text: one module says how each is shown letter for letter; the server answers to known hosts and lets a page ask it alone)
from isimed.ui.errors import show_error

<<<<<<< HEAD
app = st.App(
    paths.PACKAGE / "ui" / "main.py", routes=[*voxel_server.routes(), *files.routes()], on_script_error=show_error
)
=======
app = st.App("isimed/ui/main.py", routes=server.routes(), middleware=server.middleware(), on_script_error=show_error)
>>>>>>> 89dcb97 (Names are text: one module says how each is shown letter for letter; the server answers to known hosts and lets a page ask it alone)
