"""`python -m studies.sweep SPACE.yaml`: Ctrl-C ends it in one line from the first import on."""

from mnist.errors import plain_errors

with plain_errors():
    from studies.sweep.run import main

    main()
