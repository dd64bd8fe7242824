"""The rules of the house, held by machines: names, layers, files, documents, the lock and the stack."""
