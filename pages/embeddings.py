import streamlit as st

st.title("Embeddings")  # being written
