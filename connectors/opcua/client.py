"""asyncua's client, with a session that can be taken over on a new connection, and without its publish loop."""

from asyncua.client.client import Client
from asyncua.client.ua_session import UaSession
from asyncua.common.shortcuts import Shortcuts

from connectors.opcua.subscription import Key


class ResumableClient(Client):
    """A client whose session another one can go on with."""

    def __init__(self, url: str, *, timeout: float) -> None:
        super().__init__(url, timeout=timeout)
        self.uaclient.session = _Unattended(self.uaclient)
        self.nodes = Shortcuts(self.uaclient.session)

    def key(self) -> Key:
        """Give what the next client needs to take the session over; the nonce changes with each activation."""
        return Key(
            token=self.uaclient.session.authentication_token,
            nonce=self._server_nonce,
            policies=self._policy_ids,
            certificate=self.security_policy.peer_certificate,
        )

    def adopt(self, key: Key) -> None:
        """Speak for the session behind a key from the next activation on."""
        self.uaclient.session.restore_authentication_token(key.token)
        self._server_nonce, self._policy_ids = key.nonce, key.policies
        self.security_policy.peer_certificate = key.certificate

    def drop_session(self) -> None:
        """Forget the session, so that a new one can be created."""
        self.uaclient.session.reset_authentication_token()
        self._server_nonce = None


class _Unattended(UaSession):
    """asyncua's session without its publish loop."""

    def ensure_publish_loop(self) -> None:
        """Do nothing: the session above asks for itself."""
