"""The one way of saying that a server cannot be had on this machine."""


class Unavailable(Exception):
    """This machine cannot run the server; the message says why and what would change it."""
