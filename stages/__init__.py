"""The steps of the pipeline: `download`, `prepare`, `train`, `evaluate`, `plots_page`, `report`.

dvc.yaml says what each reads and writes.
"""
