"""What the tests of the rules share."""

from __future__ import annotations

import pytest

from patrol.identity import AccessTokens
from patrol.keys import KeySet
from tests.patrol.identity_support import SignIn
from tests.world import World


@pytest.fixture
def sign_in(world: World, keys: KeySet) -> SignIn:
    """The sign-in of this test's own station."""
    return SignIn(world, AccessTokens(keys))
