"""Sweeps: many recipes tried, on one machine or many; Optuna proposes and stops them, Dask runs them."""
