"""How sources are configured for devices as one meets them."""
