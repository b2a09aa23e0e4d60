"""`python -m studies.sweep SPACE.yaml`: the command, which ends in one line from its first import on."""

from mnist.errors import plain_errors

if __name__ == "__main__":
    with plain_errors():
        from studies.sweep.run import main

        main()
