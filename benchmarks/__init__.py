"""Measurements beside a peer: ratios, taken in turns in one run. `benchmarks/README.md` tells what they said."""
