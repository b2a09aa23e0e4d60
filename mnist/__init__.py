"""A neural network for MNIST, from scratch in NumPy, and everything around it.

`nn` is the network, `data` brings images to it, `recipe` builds both from params.yaml; `model` and `checkpoint` keep
the result, `reading` finds digits in pictures, `cli` is the command `mnist`. A module imports only those before it, and
the small ones that stand below all of them: `errors`, `files`, `checked`. Nothing is imported here, so that `mnist.nn`
needs NumPy and nothing else.
"""
