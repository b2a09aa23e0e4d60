"""The steps of the pipeline: `download`, `prepare`, `train`, `evaluate`, `report`.

dvc.yaml says what each reads and writes.
"""
