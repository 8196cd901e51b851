"""The documents' claims, and what the records of the experiments say of each."""

from __future__ import annotations

from edgecnn.claims.judging import verdict
from edgecnn.claims.record import Verdict, VerdictReport

__all__ = ["Verdict", "VerdictReport", "verdict"]
