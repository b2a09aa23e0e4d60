"""Families of unusual inputs and environments; `python -m tests.attacks` tries each case in its own process."""
