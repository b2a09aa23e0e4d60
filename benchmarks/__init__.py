"""Measurements beside other libraries, taken in turns; `benchmarks/README.md` holds their results."""
