"""The pipeline's steps, in order: `download`, `prepare`, `train`, `evaluate`; dvc.yaml says what each reads and writes."""
