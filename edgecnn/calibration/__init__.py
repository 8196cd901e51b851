"""What calibration and parity are fed: images and arrays, and the ranges measured on them."""
