"""The style of figures, and where they are written."""
