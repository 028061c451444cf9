"""Laws over architectures that can be sampled and steered."""
