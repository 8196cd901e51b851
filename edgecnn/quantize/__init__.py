"""From float files and statistics to quantized ones."""
