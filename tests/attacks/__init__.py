"""Families of odd inputs and surroundings, each case a process of its own: `python -m tests.attacks` tries them all."""
