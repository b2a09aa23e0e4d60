"""`python -m mnist` is the command `mnist`."""

from mnist.cli import main

main()
