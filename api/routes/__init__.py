"""The routes, one file a resource; `api.app` puts them together."""
