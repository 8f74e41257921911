"""`python -m workbench`: the same as the command `mtl-workbench`."""

import sys

from workbench.cli.app import main

if __name__ == "__main__":
    sys.exit(main())
