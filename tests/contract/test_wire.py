"""What every MTurk client meets first: targets, validation, errors. Protocol, appendix C 1."""

from __future__ import annotations

import json
from typing import Any

import boto3
import httpx
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from mturk_eval.server.api.model import service
from tests.market import HIT, Market, refusal

TARGET = "MTurkRequesterServiceV20170117."


def post(market: Market, operation: str, body: str | bytes = "{}") -> httpx.Response:
    headers = {"X-Amz-Target": operation, "Content-Type": "application/x-amz-json-1.1"}
    return httpx.post(f"{market.url}/", headers=headers, content=body)


@pytest.mark.parametrize(
    ("target", "body", "expected"),
    [
        (TARGET + "MakeCoffee", "{}", "UnknownOperationException"),
        ("Other.GetHIT", "{}", "UnknownOperationException"),
        ("", "{}", "UnknownOperationException"),
        (TARGET + "GetHIT", "{", "SerializationException"),
        (TARGET + "GetHIT", "[]", "SerializationException"),
        (TARGET + "GetHIT", "[" * 100_000, "SerializationException"),
        (TARGET + "GetHIT", '{"HITId": 5}', "SerializationException"),
        (TARGET + "GetHIT", '{"HITId": "\\ud800"}', "SerializationException"),
        (TARGET + "ListHITs", '{"MaxResults": 1.5}', "SerializationException"),
        (TARGET + "ListHITs", '{"MaxResults": 1e400}', "SerializationException"),
        (TARGET + "GetHIT", "{}", "ValidationException"),
        (TARGET + "GetHIT", '{"HITId": null}', "ValidationException"),
        (TARGET + "ListHITs", '{"MaxResults": 101}', "ValidationException"),
        (
            TARGET + "UpdateExpirationForHIT",
            '{"HITId":"3A","ExpireAt":"x"}',
            "SerializationException",
        ),
        (
            TARGET + "UpdateExpirationForHIT",
            '{"HITId":"3A","ExpireAt":1e300}',
            "SerializationException",
        ),
    ],
)
def test_bad_requests_get_client_errors(
    market: Market, target: str, body: str, expected: str
) -> None:
    reply = post(market, target, body)
    assert (reply.status_code, reply.json()["__type"]) == (400, expected)
    assert reply.headers["content-type"] == "application/x-amz-json-1.1"


def test_every_operation_of_the_model_answers_without_a_server_fault(market: Market) -> None:
    """With an empty request each is done, misses a member, or is not offered; none is a 5xx."""
    for name in service().operation_names:
        reply = post(market, TARGET + name)
        assert reply.status_code in (200, 400), name
        if reply.status_code == 400:
            assert reply.json()["__type"] in (
                "ValidationException",
                "RequestError",
                "InvalidParameterCombinationError",
            ), name


@pytest.mark.parametrize(
    ("operation", "request_", "text"),
    [
        (
            "send_bonus",
            {"WorkerId": "A1", "AssignmentId": "3A", "BonusAmount": "0.9752", "Reason": "r"},
            "Value '0.9752' at 'bonusAmount' failed to satisfy constraint: Member must satisfy "
            "regular "
            "expression pattern: ^[0-9]+(\\.)?[0-9]{0,2}$",
        ),
        (
            "create_worker_block",
            {"WorkerId": "nonsense", "Reason": "r"},
            "Value 'nonsense' at 'workerId' failed to satisfy constraint: Member must satisfy",
        ),
        ("list_hits", {"MaxResults": 101}, "Member must have value less than or equal to 100"),
        ("get_hit", {"HITId": "A" * 65}, "Member must have length less than or equal to 64"),
        (
            "get_hit",
            {"HITId": "3abc"},
            "Member must satisfy regular expression pattern: ^[A-Z0-9]+$",
        ),
        (
            "list_reviewable_hits",
            {"Status": "Done"},
            "Member must satisfy enum value set: [Reviewable, Reviewing]",
        ),
    ],
)
def test_what_botocore_leaves_unchecked_is_checked(
    market: Market, operation: str, request_: dict[str, Any], text: str
) -> None:
    with pytest.raises(ClientError) as caught:
        getattr(market.mturk, operation)(**request_)
    code, message, _ = refusal(caught.value)
    assert code == "ValidationException"
    assert "1 validation error detected: " in message
    assert text in message


def test_missing_members_are_named_in_lower_camel_case(market: Market) -> None:
    reply = post(market, TARGET + "RejectAssignment", '{"AssignmentId": "3A"}')
    expected = (
        "Value null at 'requesterFeedback' failed to satisfy constraint: Member must not be null"
    )
    assert expected in reply.json()["Message"]


def test_replies_have_the_shape_that_clients_index(market: Market) -> None:
    reply = post(market, TARGET + "GetAccountBalance", b"")
    assert reply.json() == {"AvailableBalance": "10000.00", "OnHoldBalance": "0.00"}
    assert len(reply.headers["x-amzn-requestid"]) == 36
    assert post(market, TARGET + "GetAccountBalance", '{"Unknown": 1}').status_code == 200


def test_unsigned_clients_are_served_on_loopback(market: Market) -> None:
    unsigned = boto3.client(
        "mturk",
        endpoint_url=market.url,
        region_name="us-east-1",
        config=Config(signature_version=UNSIGNED),
    )
    assert unsigned.get_account_balance()["AvailableBalance"] == "10000.00"


def test_requests_that_a_web_page_could_send_do_nothing(market: Market) -> None:
    """Without the headers that make a browser ask first, nothing is an operation."""
    form = httpx.post(f"{market.url}/", data={"X-Amz-Target": TARGET + "ListHITs"})
    assert form.json()["__type"] == "UnknownOperationException"
    preflight = httpx.options(f"{market.url}/", headers={"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in preflight.headers


def test_accounts_see_only_their_own(market: Market) -> None:
    hit = market.create_hit()
    stranger = market.as_requester("stranger").mturk
    for operation in (stranger.get_hit, stranger.delete_hit, stranger.list_assignments_for_hit):
        with pytest.raises(ClientError) as caught:
            operation(HITId=hit["HITId"])
        _, message, code = refusal(caught.value)
        assert message.startswith(f"Hit {hit['HITId']} does not exist. (")
        assert code == "AWS.MechanicalTurk.HITDoesNotExist"


def test_a_call_sent_again_by_the_sdk_is_done_once(market: Market) -> None:
    """SDKs repeat a call whose reply was lost, under the same invocation id."""
    headers = {
        "X-Amz-Target": TARGET + "CreateHIT",
        "amz-sdk-invocation-id": f"call-{market.account}"[-60:],
        "X-Amz-Date": "20260101T000000Z",
        # Loopback: the key names the account. The signature must be well-formed, not right.
        "Authorization": f"AWS4-HMAC-SHA256 Credential={market.account}/20260101/us-east-1/"
        "mturk-requester/aws4_request, SignedHeaders=host;x-amz-date;x-amz-target, Signature=0",
    }
    body = json.dumps(HIT)
    first, again = (httpx.post(market.url, headers=headers, content=body).json() for _ in range(2))
    assert first == again
    assert market.mturk.list_hits()["NumResults"] == 1
