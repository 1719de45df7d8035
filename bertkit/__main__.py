"""`python -m bertkit`, for launchers that want a module."""

from bertkit.cli.app import main

if __name__ == "__main__":
    main()
