"""Recipes beside the default one, and the commands that compare them.

`notebook`, `seeds`, `ladder`, `choices`, `sweep`, `grid`; `runs` and `results` are what most of them share.

Nothing here is a DVC stage: a study keeps its finished runs in `.studies/`, resumes, and writes a small CSV file.
"""
