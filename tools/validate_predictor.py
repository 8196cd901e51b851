"""Compare the predictor with published latencies that its fit did not see.

    python tools/validate_predictor.py [--json]        # about four minutes

The headline leaves out one source at a time: whoever measures tomorrow has a build, a governor and
a harness of their own. Then one source and a family of networks, or a device, at once. Whether an
interval holds is asked of each source with the interval that the other sources give. Only rows
count whose build (XNNPACK, or TFLite's own kernels) some other source has; the others are apart.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict

from fit_profiles import left_out
from predictor import latency_probes, latency_report, latency_tables, latency_validation


def main() -> None:
    """Validate and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    wants_json = parser.parse_args().json
    validation = latency_validation.load(lambda what: print(f"fitting {what} ...", file=sys.stderr))
    report = latency_report.make(
        left_out(validation),
        validation.by_family(),
        latency_probes.after_probes(validation),
        validation.bench_halves(),
    )
    if wants_json:
        print(json.dumps(asdict(report), indent=1))
    else:
        latency_tables.show(report)


if __name__ == "__main__":
    main()
