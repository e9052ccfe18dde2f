# SPDX-License-Identifier: Apache-2.0
"""`python -m boxwright`."""

import sys

from boxwright.cli import main

if __name__ == "__main__":
    sys.exit(main())
