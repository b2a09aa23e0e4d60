"""A neural network for MNIST, from scratch in NumPy, and everything around it.

`nn` is the network, `data` provides its images, and `recipe` builds both from params.yaml. `model` and `checkpoint`
save the result, `reading` finds digits in pictures, and `cli` is the command `mnist`. A module imports only modules
named before it, and three small ones: `errors`, `files` and `checked`. This file imports nothing, so that `mnist.nn`
needs only NumPy.
"""
