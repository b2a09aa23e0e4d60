"""The stages of the pipeline: `download`, `prepare`, `train`, `evaluate`, `plots_page`, `report`.

dvc.yaml says what each reads and writes; `pipeline` is what they share.
"""
