"""Alternatives to the default recipe, and the commands that compare them.

The commands are `notebook`, `seeds`, `ladder`, `choices`, `sweep` and `grid`; most of them share `runs` and `results`.

A study is not a DVC stage: it keeps its finished runs in `.studies/`, resumes, and writes a small CSV file.
"""
