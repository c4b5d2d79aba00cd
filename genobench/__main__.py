"""`python -m genobench`: the command line, for an environment whose programs are not on PATH."""

from genobench.cli import main

if __name__ == "__main__":
    main()
