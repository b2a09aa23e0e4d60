"""A neural network for MNIST, from scratch in NumPy: the network and everything it needs.

In reading order: `hyperparameters`, `idx`, `sources`, `normalisation`, `dataset`, `deformation`, `activations`,
`losses`, `initializers`, `optimizers`, `schedules`, `network`, `evaluation`, `training`, `storage`, `checkpoints`,
`pictures`, `drawing`, `report`, `__main__`. A module imports only those before it, and the small ones that all stand
on: `errors`, `arrays`, `files`, `randomness`, `environment`.
"""
