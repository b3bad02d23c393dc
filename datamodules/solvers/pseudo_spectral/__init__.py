"""Pseudo-spectral solvers on periodic grids."""
