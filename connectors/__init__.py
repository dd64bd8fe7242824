"""The only code that knows a wire: one package a protocol, all of one shape; they do not know each other."""
