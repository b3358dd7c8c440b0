"""The only home of boto3's MTurk client: a marketplace as small as its users need."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, Protocol

from mturk_eval.errors import CredentialsError, EndpointUnreachableError, MarketplaceError
from mturk_eval.trials import Assignment
from mturk_eval.wire.limits import REGION

if TYPE_CHECKING:
    from botocore.credentials import Credentials

_EXISTING_HIT: Final = re.compile(r'The HIT with ID "([A-Z0-9]+)"')
_REFUSED_KEY: Final = frozenset(
    {
        "AccessDeniedException",
        "ExpiredTokenException",
        "IncompleteSignatureException",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationTokenException",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
# When an endpoint answers nothing of MTurk's, botocore reports the bare HTTP status as the code.
# Messages of the real service, and of ours, end in the time of the error in milliseconds.
_TIMESTAMP: Final = re.compile(r" \(\d+(?: s)?\)$")
_HTTP_STATUS: Final = re.compile(r"\d{3}")


@dataclass(frozen=True, slots=True, kw_only=True)
class HitType:
    """What HITs of one kind share; durations in seconds, the reward in US dollars."""

    title: str
    description: str
    keywords: str
    reward_usd: Decimal
    assignment_duration_s: int
    auto_approval_delay_s: int
    qualifications: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HitState:
    """What the marketplace says of a HIT; ``decided`` counts assignments approved or rejected."""

    status: str
    decided: int


class Marketplace(Protocol):
    """What publishing and collecting need of a marketplace."""

    def balance(self) -> Decimal:
        """The money that is there to spend, in US dollars; also proves that the key is accepted."""
        ...

    def create_hit_type(self, hit_type: HitType) -> str:
        """Register a HIT type and return its id; equal values give the same id."""
        ...

    def create_hit(
        self,
        hit_type_id: str,
        question: str,
        *,
        assignments: int,
        lifetime_s: int,
        annotation: str,
        token: str,
    ) -> str:
        """Post one HIT and return its id; a ``token`` used before gives the id of then."""
        ...

    def annotations(self) -> Iterator[tuple[str, str, str]]:
        """Every HIT of this requester: annotation, HIT id, HIT type id."""
        ...

    def hit_state(self, hit_id: str) -> HitState:
        """What the marketplace says of a HIT now."""
        ...

    def assignments(self, hit_id: str) -> Iterator[Assignment]:
        """The submitted assignments of a HIT."""
        ...


def find_credentials(endpoint_url: str) -> Credentials:
    """The key that signs requests: from boto3's usual places, else ``local`` beyond AWS.

    Raises
    ------
    CredentialsError
        If the endpoint is AWS's and boto3 finds no key.
    """
    import botocore.session
    from botocore.credentials import Credentials
    from botocore.exceptions import BotoCoreError

    session = botocore.session.Session()
    is_aws = ".amazonaws.com" in endpoint_url
    try:
        if not is_aws:
            # A machine's own role belongs to AWS; asking for it elsewhere only costs seconds.
            session.get_component("credential_provider").remove("iam-role")
        credentials = session.get_credentials()
    except BotoCoreError as error:
        raise CredentialsError(f"boto3 cannot read its credentials: {error}") from error
    if credentials is not None:
        return credentials
    if is_aws:
        raise CredentialsError(
            "No AWS credentials found. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a "
            'profile; or use our own server (`endpoint = "local"`), which needs none.'
        )
    return Credentials("local", "local")


def connect(endpoint_url: str) -> MTurkMarketplace:
    """A marketplace behind MTurk's API at a URL.

    Raises
    ------
    EndpointUnreachableError
        If nothing answers there; told at once, where boto3 would try for half a minute.
    CredentialsError
        If no key can be found.
    """
    import httpx

    try:
        httpx.head(endpoint_url, timeout=10)
    except (httpx.TransportError, httpx.InvalidURL) as error:
        raise EndpointUnreachableError(endpoint_url) from error
    return MTurkMarketplace(endpoint_url, find_credentials(endpoint_url))


class MTurkMarketplace:
    """MTurk's requester API through boto3, with standard AWS retries that adapt to throttling."""

    def __init__(self, endpoint_url: str, credentials: Credentials) -> None:
        import boto3
        from botocore.config import Config

        self.endpoint_url, self.credentials = endpoint_url, credentials
        frozen = credentials.get_frozen_credentials()
        self._client = boto3.Session().client(
            "mturk",
            region_name=REGION,
            endpoint_url=endpoint_url,
            aws_access_key_id=frozen.access_key,
            aws_secret_access_key=frozen.secret_key,
            aws_session_token=frozen.token,
            config=Config(
                retries={"mode": "adaptive", "total_max_attempts": 6},
                connect_timeout=10,
                read_timeout=60,
                max_pool_connections=16,
            ),
        )

    def balance(self) -> Decimal:
        with self._errors("GetAccountBalance"):
            return Decimal(self._client.get_account_balance()["AvailableBalance"])

    def create_hit_type(self, hit_type: HitType) -> str:
        with self._errors("CreateHITType"):
            answer = self._client.create_hit_type(
                Title=hit_type.title,
                Description=hit_type.description,
                Keywords=hit_type.keywords,
                Reward=f"{hit_type.reward_usd:.2f}",
                AssignmentDurationInSeconds=hit_type.assignment_duration_s,
                AutoApprovalDelayInSeconds=hit_type.auto_approval_delay_s,
                QualificationRequirements=list(hit_type.qualifications),  # type: ignore[arg-type]
            )
            return answer["HITTypeId"]

    def create_hit(
        self,
        hit_type_id: str,
        question: str,
        *,
        assignments: int,
        lifetime_s: int,
        annotation: str,
        token: str,
    ) -> str:
        with self._errors("CreateHITWithHITType"):
            try:
                answer = self._client.create_hit_with_hit_type(
                    HITTypeId=hit_type_id,
                    Question=question,
                    MaxAssignments=assignments,
                    LifetimeInSeconds=lifetime_s,
                    RequesterAnnotation=annotation,
                    UniqueRequestToken=token,
                )
            except self._client.exceptions.RequestError as error:
                existing = _EXISTING_HIT.search(str(error))
                if existing is None:
                    raise
                return existing.group(1)
            return answer["HIT"]["HITId"]

    def annotations(self) -> Iterator[tuple[str, str, str]]:
        with self._errors("ListHITs"):
            for page in self._client.get_paginator("list_hits").paginate(
                PaginationConfig={"PageSize": 100}
            ):
                for hit in page["HITs"]:
                    yield hit.get("RequesterAnnotation", ""), hit["HITId"], hit["HITTypeId"]

    def hit_state(self, hit_id: str) -> HitState:
        with self._errors("GetHIT"):
            hit = self._client.get_hit(HITId=hit_id)["HIT"]
            return HitState(status=hit["HITStatus"], decided=hit["NumberOfAssignmentsCompleted"])

    def assignments(self, hit_id: str) -> Iterator[Assignment]:
        with self._errors("ListAssignmentsForHIT"):
            for page in self._client.get_paginator("list_assignments_for_hit").paginate(
                HITId=hit_id, PaginationConfig={"PageSize": 100}
            ):
                for found in page["Assignments"]:
                    yield Assignment(
                        id=found["AssignmentId"],
                        hit_id=found["HITId"],
                        worker_id=found["WorkerId"],
                        status=found["AssignmentStatus"],
                        accepted_at=found["AcceptTime"].astimezone(UTC),
                        submitted_at=found["SubmitTime"].astimezone(UTC),
                        answer_xml=found.get("Answer", ""),
                    )

    @contextmanager
    def _errors(self, operation: str) -> Iterator[None]:
        """Turn what boto3 raises into the errors a user can act on."""
        from botocore.exceptions import (
            BotoCoreError,
            ClientError,
            ConnectionError,  # noqa: A004  # botocore's own
            HTTPClientError,
        )

        try:
            yield
        except ClientError as error:
            details = error.response.get("Error", {})
            code = str(details.get("Code", ""))
            message = _TIMESTAMP.sub("", str(details.get("Message", "")))
            if code in _REFUSED_KEY:
                raise CredentialsError(
                    f"{self.endpoint_url} refuses the access key: {message} Set "
                    "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY to a key that it knows."
                ) from error
            if _HTTP_STATUS.fullmatch(code):
                raise self._not_mturk(operation) from error
            turk_code = str(error.response.get("TurkErrorCode", code))
            raise MarketplaceError(operation, message, code=turk_code) from error
        except (HTTPClientError, ConnectionError) as error:
            raise EndpointUnreachableError(self.endpoint_url) from error
        except BotoCoreError as error:
            raise MarketplaceError(operation, str(error)) from error
        except KeyError as error:
            raise self._not_mturk(operation) from error

    def _not_mturk(self, operation: str) -> MarketplaceError:
        return MarketplaceError(
            operation,
            f"{self.endpoint_url} answers, but not as MTurk's API does. Check `endpoint`.",
        )
