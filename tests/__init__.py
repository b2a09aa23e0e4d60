"""Tests: one file for each module of `mnist/`, for the stages, and for the pipeline as a whole."""
