"""What the experiments are made of: contenders, pairs of kernels, what papers published."""
