"""What the experiments found: frozen records, one JSON file each in `artifacts/experiments/`."""
