"""The gate for what comes from outside: foreign files are read, run and told of through it.

`files` (one layer below) opens regular files of a bounded size. `run` gives native code and foreign
graphs a child process with limits in proportion to the file. `arrays` holds an .npz to what its
headers and the archive say before any array is made. `foreign_errors` makes a sentence of whatever
else a damaged file makes Python raise.
"""

from edgecnn.gate.children import run, size_of
from edgecnn.gate.limits import (
    CONVERT,
    CONVERT_BY_TENSORFLOW,
    DIAGNOSE,
    READ,
    RUN,
    RUN_MANY,
    Work,
    limits_for,
)
from edgecnn.gate.sentences import DamagedFileError, foreign_errors, guarded

__all__ = [
    "CONVERT",
    "CONVERT_BY_TENSORFLOW",
    "DIAGNOSE",
    "READ",
    "RUN",
    "RUN_MANY",
    "DamagedFileError",
    "Work",
    "foreign_errors",
    "guarded",
    "limits_for",
    "run",
    "size_of",
]
