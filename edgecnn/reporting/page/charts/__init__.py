"""One module for each chart: `gather` makes its figure from the material, `draw` draws it."""
