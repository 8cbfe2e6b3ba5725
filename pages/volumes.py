import streamlit as st

st.title("Volumes")  # being written
