"""Models that learn a metric from labelled architectures."""
