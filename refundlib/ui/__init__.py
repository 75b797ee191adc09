"""Every Streamlit helper of the pages."""
