"""Following data as it arrives: one look for all who listen, and to each what it may see, tagged with its owner."""
