# SPDX-License-Identifier: Apache-2.0
"""`python -m boxwright`."""

from boxwright.cli import start

if __name__ == "__main__":
    start()
