"""From the web to batches.

In reading order: `published`, `sources`, `download`, `idx`, `dataset`, `normalisation`, `deformation`, `batches`.
"""
