"""`python -m edgecnn`: the same as the `edgecnn` command."""

from __future__ import annotations

from edgecnn.cli import main

if __name__ == "__main__":
    main()
