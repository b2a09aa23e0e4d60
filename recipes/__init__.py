"""Complete hyperparameter files beside params.yaml, and the command that tells what a recipe gives over many seeds."""
