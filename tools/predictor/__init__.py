"""What the latency predictor's fit and validation are made of."""
