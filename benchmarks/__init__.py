"""Comparisons with other libraries, measured in turns; `benchmarks/README.md` has the results."""
