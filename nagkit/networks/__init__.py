"""From an architecture to a PyTorch module: building, training, timing, exporting."""
