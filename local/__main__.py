"""`python -m local` is the command `fagseminar`."""

from local.cli import main

if __name__ == "__main__":
    main()
