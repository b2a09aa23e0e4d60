"""Downloads images, reads and checks them, and prepares batches.

In reading order: `published`, `sources`, `download`, `idx`, `dataset`, `normalisation`, `deformation`, `batches`.
"""
