"""What the product promises, tried on the real parts."""
