"""asyncua's client, with a session that can be taken over on a new connection, and without its publish loop."""

from asyncua import ua
from asyncua.client.client import Client
from asyncua.client.ua_session import UaSession
from asyncua.common.shortcuts import Shortcuts

from connectors.opcua.credentials import Login, private_key, read
from connectors.opcua.notification import Notification
from connectors.opcua.published import Past, Published, read_history, read_published, read_republished
from connectors.opcua.subscription import Key


class ResumableClient(Client):
    """A client whose session another one can go on with."""

    def __init__(self, url: str, *, timeout: float) -> None:
        super().__init__(url, timeout=timeout)
        self.uaclient.session = self.services = Unattended(self.uaclient)
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

    async def log_in(self, login: Login) -> None:
        """Activate the session as somebody: with a certificate, a name and a password, or as nobody."""
        if login.certificate is not None and login.key is not None:
            self.user_certificate, self.user_private_key = read(login.certificate), private_key(login.key)
        await self.activate_session(
            username=login.user, password=login.password or None, certificate=self.user_certificate
        )

    def drop_session(self) -> None:
        """Forget the session, so that a new one can be created."""
        self.uaclient.session.reset_authentication_token()
        self._server_nonce = None


class Unattended(UaSession):
    """asyncua's session without its publish loop, with answers that are read by our own decoder."""

    def ensure_publish_loop(self) -> None:
        """Do nothing: the session above asks for itself."""

    async def published(self, acknowledgements: list[ua.SubscriptionAcknowledgement]) -> Published:
        """Ask for the next answer of the subscriptions."""
        request = ua.PublishRequest()
        request.Parameters.SubscriptionAcknowledgements = acknowledgements
        return _good(read_published(bytes(await self._send_request(request, timeout=0))))

    async def republished(self, subscription: int, sequence: int) -> Notification:
        """Ask once more for an answer."""
        request = ua.RepublishRequest()
        request.Parameters.SubscriptionId = subscription
        request.Parameters.RetransmitSequenceNumber = sequence
        return read_republished(bytes(await self._send_request(request)))

    async def past(self, parameters: ua.HistoryReadParameters) -> list[Past]:
        """Read the history of nodes."""
        request = ua.HistoryReadRequest()
        request.Parameters = parameters
        return read_history(bytes(await self._send_request(request)))


def _good(published: Published) -> Published:
    if published.fault:
        ua.StatusCode(ua.UInt32(published.fault)).check()
    return published
