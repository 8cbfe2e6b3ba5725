"""An st.App around viewer_script.py, for test_slice_viewer.py."""

import streamlit as st

from isimed.ui.slice_viewer import files, voxel_server

app = st.App("viewer_script.py", routes=[*voxel_server.routes(), *files.routes()])
