"""Many recipes tried side by side: Optuna proposes and prunes trials, Dask runs them on one machine or many."""
