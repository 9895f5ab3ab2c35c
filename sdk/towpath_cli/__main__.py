"""`python -m towpath_cli`: the `towpath` command where its script is not on the path."""

from towpath_cli.main import main

if __name__ == "__main__":
    main()
