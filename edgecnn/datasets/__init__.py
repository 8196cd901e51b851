"""What networks are trained on and evaluated with: images, boxes, masks, arrays."""
