"""The query service: who asks, what may they see, give them that. Knows no wire protocol."""
