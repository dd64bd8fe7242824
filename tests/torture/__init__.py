"""Everything that can go wrong, at random and again and again, while numbered samples come in: not one may be lost."""
