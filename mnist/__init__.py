"""A neural network for MNIST, from scratch in NumPy: the network and everything it needs.

Reading order: `hyperparameters`, `idx`, `sources`, `normalisation`, `dataset`, `activations`, `losses`, `initializers`,
`optimizers`, `schedules`, `network`, `training`, `evaluation`, `storage`. A module imports only those above it, and the
small ones that all stand on: `errors`, `arrays`, `files`, `randomness`, and `pictures`.
"""
