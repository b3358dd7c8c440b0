"""Limits of MTurk's API that SDKs do not check; sizes in bytes, times in seconds."""

from __future__ import annotations

from typing import Final

TARGET_PREFIX: Final = "MTurkRequesterServiceV20170117"
SIGNING_NAME: Final = "mturk-requester"
REGION: Final = "us-east-1"

QUESTION_BYTES: Final = 65_535
TITLE_CHARACTERS: Final = 128
DESCRIPTION_CHARACTERS: Final = 2_000
KEYWORDS_CHARACTERS: Final = 1_000
ANNOTATION_CHARACTERS: Final = 255
FEEDBACK_CHARACTERS: Final = 1_024
TOKEN_LIFETIME_S: Final = 24 * 3600

ASSIGNMENT_DURATION_S: Final = (30, 31_536_000)
LIFETIME_S: Final = (30, 31_536_000)
AUTO_APPROVAL_DELAY_S: Final = (0, 2_592_000)
DEFAULT_AUTO_APPROVAL_DELAY_S: Final = 2_592_000
MAX_ASSIGNMENTS: Final = (1, 1_000_000_000)

PREVIEW_ASSIGNMENT_ID: Final = "ASSIGNMENT_ID_NOT_AVAILABLE"
