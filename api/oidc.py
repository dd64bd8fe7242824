"""OpenID Connect: access tokens of one configured issuer, checked here and admitted to the database."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final

import httpx
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from sqlalchemy.ext.asyncio import AsyncEngine

from fieldlab.assets.participant import Permission
from fieldlab.errors import Unauthenticated, Unavailable
from fieldlab.ownership.scope import Credential
from fieldlab.readings.instant import SECOND, Instant
from fieldlab.storage import admission
from fieldlab.storage.admission import AdmissionKey, Admitted

_log: Final = logging.getLogger("fieldlab.api")

ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signatures of private keys; never one of a shared secret, and never none."""

_LEEWAY: Final = 30
_FRESH: Final = 600.0
"""Seconds that an issuer's keys are used without looking again."""

_AGAIN: Final = 10.0
"""Seconds between two looks because of an unknown key, however many tokens name one."""

_MOST: Final = 10_000
_WRONG: Final = "This token is not valid: it is wrong, expired, or of another issuer or audience. Sign in again."


@dataclass(frozen=True, kw_only=True, slots=True)
class Trust:
    """Whose tokens are taken, and how their claims are read.

    The claim `participant_claim` names a participant, by its slug or as `participants` translates it. `roles` says what
    each value of the claim `role_claim` allows; without it the claim `scope` names the scopes.
    """

    issuer: str
    audience: str
    key: AdmissionKey
    participant_claim: str = "participant"
    participants: Mapping[str, str] | None = None
    role_claim: str = "roles"
    roles: Mapping[str, tuple[Permission, ...]] | None = None


class Issuer:
    """Checks tokens against an issuer's published keys, and remembers those that the database has admitted."""

    def __init__(self, trust: Trust, engine: AsyncEngine) -> None:
        self._trust = trust
        self._engine = engine
        self._keys: KeySet | None = None
        self._looked = float("-inf")
        self._looking = asyncio.Lock()
        self._admitted: OrderedDict[Credential, Instant] = OrderedDict()

    async def admit(self, token: str) -> None:
        """Check a token and admit it; then the database knows it like any key.

        Raises Unauthenticated for one that is wrong, Unavailable if the issuer's keys cannot be had.
        """
        credential = Credential.of(token)
        if self._admitted.get(credential, Instant(0)) > Instant.now():
            return
        claims = await self._checked(token)
        caller = read(self._trust, claims, credential)
        if not await admission.admit(self._engine, self._trust.key, caller):
            raise Unauthenticated("This token speaks for no participant of the lab; ask its operator.")
        self._admitted[credential] = caller.expires_at
        while len(self._admitted) > _MOST:
            self._admitted.popitem(last=False)

    async def _checked(self, token: str) -> Mapping[str, Any]:
        registry = jwt.JWTClaimsRegistry(
            leeway=_LEEWAY,
            iss={"essential": True, "value": self._trust.issuer},
            aud={"essential": True, "value": self._trust.audience},
            exp={"essential": True},
            sub={"essential": True},
        )
        for look_again in (False, True):
            keys = await self._published(look_again=look_again)
            try:
                decoded = jwt.decode(token, keys, algorithms=[*ALGORITHMS])
                registry.validate(decoded.claims)
            except (JoseError, ValueError, KeyError, TypeError) as error:
                if look_again or not _unknown_key(error):
                    raise Unauthenticated(_WRONG) from None
            else:
                return decoded.claims
        raise Unauthenticated(_WRONG)

    async def _published(self, *, look_again: bool) -> KeySet:
        async with self._looking:
            old = monotonic() - self._looked
            if self._keys is None or old > _FRESH or (look_again and old > _AGAIN):
                self._keys = await self._fetch()
                self._looked = monotonic()
            return self._keys

    async def _fetch(self) -> KeySet:
        try:
            async with httpx.AsyncClient(timeout=10, follow_redirects=False) as client:
                found = await client.get(f"{self._trust.issuer.rstrip('/')}/.well-known/openid-configuration")
                described = found.raise_for_status().json()
                published = await client.get({self._trust.issuer: described["jwks_uri"]}[described["issuer"]])
                return KeySet.import_key_set(published.raise_for_status().json())
        except (httpx.HTTPError, JoseError, ValueError, KeyError, TypeError) as error:
            _log.warning("the issuer's keys cannot be had: %s", error)
            raise Unavailable("The issuer of tokens cannot be asked now; try again in a moment.") from error


def read(trust: Trust, claims: Mapping[str, Any], credential: Credential) -> Admitted:
    """Read whom checked claims speak for, and what they allow; raises Unauthenticated where they name nobody."""
    named = claims.get(trust.participant_claim)
    participant = trust.participants.get(str(named)) if trust.participants is not None else named
    if not isinstance(participant, str) or not participant:
        raise Unauthenticated(f"The claim {trust.participant_claim} of this token names no participant of the lab.")
    allowed: set[Permission] = set()
    if trust.roles is None:
        known = {permission.value: permission for permission in Permission}
        allowed = {known[word] for word in str(claims.get("scope", "")).split() if word in known}
    else:
        held = claims.get(trust.role_claim, ())
        for role in [held] if isinstance(held, str) else held:
            allowed.update(trust.roles.get(str(role), ()))
    return Admitted(
        credential=credential,
        participant=participant,
        principal=f"{claims['sub']}"[:200],
        permissions=frozenset(allowed),
        expires_at=Instant(int(claims["exp"]) * SECOND),
    )


def _unknown_key(error: Exception) -> bool:
    return not isinstance(error, JoseError) or error.error in {"invalid_key_id", "bad_signature", "invalid_key_type"}
