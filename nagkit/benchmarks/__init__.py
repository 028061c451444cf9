"""Measured tables of architectures: registry, readers, look-up."""
