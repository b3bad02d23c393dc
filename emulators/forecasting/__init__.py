"""Forecasts of states in datasets of xarray."""
