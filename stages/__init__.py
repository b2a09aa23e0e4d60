"""The steps of the pipeline: `download`, `prepare`, `train`, `evaluate`; dvc.yaml says what each reads and writes."""
