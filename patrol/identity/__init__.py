"""Who is who: phones enrolled by code and key, sessions, keys of partners and devices, and how each of them ends."""

from patrol.identity.access_tokens import AccessClaims, AccessTokens
from patrol.identity.codes import IssuedCode, issue_code_as_supervisor, issue_enrolment_code
from patrol.identity.credentials import (
    IssuedKey,
    issue_admin_token,
    issue_api_key,
    issue_device_key,
    revoke_admin_token,
    revoke_api_key,
    revoke_device_key,
)
from patrol.identity.phone_key import PhoneKey, sha256_text
from patrol.identity.presence import go_off_duty, go_on_duty, set_push_address
from patrol.identity.recognition import Recognition
from patrol.identity.revocation import (
    EndReason,
    revoke_device,
    revoke_officer_sessions,
    revoke_session,
    sign_out,
)
from patrol.identity.sessions import Phone, SignedIn, enrol, refresh

__all__ = [
    "AccessClaims",
    "AccessTokens",
    "EndReason",
    "IssuedCode",
    "IssuedKey",
    "Phone",
    "PhoneKey",
    "Recognition",
    "SignedIn",
    "enrol",
    "go_off_duty",
    "go_on_duty",
    "issue_admin_token",
    "issue_api_key",
    "issue_code_as_supervisor",
    "issue_device_key",
    "issue_enrolment_code",
    "refresh",
    "revoke_admin_token",
    "revoke_api_key",
    "revoke_device",
    "revoke_device_key",
    "revoke_officer_sessions",
    "revoke_session",
    "set_push_address",
    "sha256_text",
    "sign_out",
]
