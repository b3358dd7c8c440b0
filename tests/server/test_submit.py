"""externalSubmit: every case of the protocol's 11.4, and the page in the frame."""

from __future__ import annotations

import sqlite3

import httpx
import pytest

from mturk_eval.wire.answers import read_answers
from mturk_eval.wire.question import ExternalQuestion, HtmlQuestion
from tests.market import Market


def answer(market: Market, assignment_id: str) -> dict[str, str]:
    found = market.mturk.get_assignment(AssignmentId=assignment_id)["Assignment"]
    return read_answers(found["Answer"])


def submit(market: Market, **form: str) -> httpx.Response:
    return market.frame_http.post("/mturk/externalSubmit", data=form)


def quarantined(market: Market, assignment_id: str) -> list[str]:
    with sqlite3.connect(market.folder / "server.db") as db:
        query = "SELECT answer FROM quarantine WHERE assignment_id = ?"
        return [row[0] for row in db.execute(query, (assignment_id,))]


def test_a_preview_stores_nothing(market: Market) -> None:
    reply = submit(market, assignmentId="ASSIGNMENT_ID_NOT_AVAILABLE", colour="red")
    assert reply.status_code == 400
    assert "Accept the task first" in reply.text


def test_without_or_with_an_unknown_id(market: Market) -> None:
    assert submit(market, colour="red").status_code == 400
    assert submit(market, assignmentId="3NONE", colour="red").status_code == 404


def test_twice_the_same_is_fine_and_the_first_stands(market: Market) -> None:
    worker = market.worker("w")
    assignment_id = worker.hold(market.create_hit())
    first = worker.submit(assignment_id, colour="red")
    assert first.status_code == 200
    assert first.headers["cache-control"] == "no-store"
    assert worker.submit(assignment_id, colour="red").status_code == 200
    assert worker.submit(assignment_id, colour="blue").status_code == 409
    assert answer(market, assignment_id) == {"colour": "red"}


def test_returned_work_is_kept_aside(market: Market) -> None:
    worker = market.worker("w")
    assignment_id = worker.hold(market.create_hit())
    worker.give_back(assignment_id)
    for n in (1, 1, 2, 3, 4, 5):
        assert worker.submit(assignment_id, colour=f"red {n}").status_code == 409
    kept = [read_answers(text) for text in quarantined(market, assignment_id)]
    assert kept == [{"colour": f"red {n}"} for n in (1, 2, 3)]


def test_abandoned_work_is_kept_aside(market: Market) -> None:
    worker = market.worker("w")
    assignment_id = worker.hold(market.create_hit(AssignmentDurationInSeconds=60))
    market.clock.advance(seconds=120)
    assert worker.submit(assignment_id, colour="red").status_code == 409
    assert len(quarantined(market, assignment_id)) == 1


def test_fields_may_stand_in_the_address(market: Market) -> None:
    assignment_id = market.worker("w").hold(market.create_hit())
    url = f"/mturk/externalSubmit?assignmentId={assignment_id}&in_url=1"
    reply = market.frame_http.post(url, data={"in_body": "2"})
    assert reply.status_code == 200
    assert answer(market, assignment_id) == {"in_url": "1", "in_body": "2"}


def test_other_encodings(market: Market) -> None:
    worker = market.worker("w")
    post = market.frame_http.post
    plain, json_ = (worker.hold(market.create_hit()) for _ in range(2))
    body = f"assignmentId={plain}\r\ncolour=red = good\r\n"
    headers = {"Content-Type": "text/plain; charset=utf-8"}
    assert post("/mturk/externalSubmit", content=body, headers=headers).status_code == 200
    assert answer(market, plain) == {"colour": "red = good"}
    reply = post("/mturk/externalSubmit", json={"assignmentId": json_})
    assert reply.status_code == 400
    assert "application/json" in reply.text


@pytest.mark.parametrize("damaged", [b"no boundary", b"--b\r\nnonsense", b""])
def test_damaged_multipart_is_a_client_error(market: Market, damaged: bytes) -> None:
    for kind in ("multipart/form-data; boundary=b", "multipart/form-data"):
        reply = market.frame_http.post(
            "/mturk/externalSubmit", content=damaged, headers={"Content-Type": kind}
        )
        assert reply.status_code == 400


def test_files_are_refused_and_empty_file_fields_are_not(market: Market) -> None:
    assignment_id = market.worker("w").hold(market.create_hit())
    post = market.frame_http.post
    data = {"assignmentId": assignment_id, "colour": "red"}
    with_file = post("/mturk/externalSubmit", data=data, files={"f": ("a.txt", b"x")})
    assert with_file.status_code == 400
    assert "files cannot be submitted" in with_file.text
    parts = "".join(
        f"--b\r\nContent-Disposition: form-data; {described}\r\n\r\n{value}\r\n"
        for described, value in [
            ('name="f"; filename=""', ""),
            ('name="assignmentId"', assignment_id),
            ('name="colour"', "red"),
        ]
    )
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    reply = post("/mturk/externalSubmit", content=f"{parts}--b--\r\n", headers=headers)
    assert reply.status_code == 200
    assert answer(market, assignment_id) == {"colour": "red"}


def test_too_much_is_refused(market: Market) -> None:
    assignment_id = market.worker("w").hold(market.create_hit())
    assert submit(market, assignmentId=assignment_id, x="y" * (9 * 2**20)).status_code == 413
    many = "&".join(f"f{i}=1" for i in range(10_001))
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    reply = market.frame_http.post("/mturk/externalSubmit", content=many, headers=headers)
    assert reply.status_code == 400


def test_pages_elsewhere_may_submit_by_script(market: Market) -> None:
    preflight = market.frame_http.options(
        "/mturk/externalSubmit",
        headers={"Origin": "https://example.org", "Access-Control-Request-Method": "POST"},
    )
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == "*"
    assert submit(market, assignmentId="3NONE").headers["access-control-allow-origin"] == "*"


# --- the page in the frame -----------------------------------------------------------------------


def test_pages_for_amazon_are_turned_to_us(market: Market) -> None:
    html = (
        '<script src="https://s3.amazonaws.com/mturk-public/externalHIT_v1.js"></script>'
        '<form action="https://www.mturk.com/mturk/externalSubmit">'
        '<form action="https://workersandbox.mturk.com/mturk/externalSubmit">'
        '<a href="https://www.mturk.com/help">é'
    )
    hit = market.create_hit(Question=HtmlQuestion(html).to_xml())
    worker = market.worker("w")
    assignment_id = worker.hold(hit)
    src = worker.frame(
        f"/projects/{hit['HITTypeId']}/tasks/{hit['HITId']}?assignment_id={assignment_id}"
    )
    page = market.frame_http.get(src)
    assert page.text == (
        f'<script src="{market.url}/static/externalHIT_v1.js"></script>'
        f'<form action="{market.url}/mturk/externalSubmit">'
        f'<form action="{market.url}/mturk/externalSubmit">'
        '<a href="https://www.mturk.com/help">é'
    )
    policy = page.headers["content-security-policy"]
    assert policy.startswith("sandbox allow-scripts allow-forms")
    assert "allow-same-origin" not in policy
    assert "frame-ancestors 'self'" in policy
    assert "turkSetAssignmentID" in market.frame_http.get("/static/externalHIT_v1.js").text


def test_the_frame_carries_the_four_parameters(market: Market) -> None:
    hit = market.create_hit()
    worker = market.worker("w")
    preview = httpx.URL(worker.frame(f"/projects/{hit['HITTypeId']}/tasks"))
    assert dict(preview.params) == {
        "assignmentId": "ASSIGNMENT_ID_NOT_AVAILABLE",
        "hitId": hit["HITId"],
        "turkSubmitTo": market.url,
    }
    accepted = worker.accept(hit).headers["location"]
    params = dict(httpx.URL(worker.frame(accepted)).params)
    assert params.pop("workerId").startswith("A")
    assert set(params) == {"assignmentId", "hitId", "turkSubmitTo"}
    named = worker.http.get(accepted, headers={"Host": "pictures.local:9000"})
    assert "turkSubmitTo=http%3A%2F%2Fpictures.local%3A9000" in named.text


def test_an_external_page_keeps_its_query_and_fragment(market: Market) -> None:
    url = "https://example.org/task?mode=live&x=1#top"
    hit = market.create_hit(Question=ExternalQuestion(url).to_xml())
    worker = market.worker("w")
    src = worker.frame(worker.accept(hit).headers["location"])
    assert src.startswith("https://example.org/task?mode=live&x=1&assignmentId=3")
    assert src.endswith("#top")
    assert market.frame_http.get(f"/hitcontent/{hit['HITId']}").status_code == 403


def test_a_page_is_shown_to_who_holds_it(market: Market) -> None:
    hit, other = market.create_hit(), market.create_hit()
    content = f"/hitcontent/{hit['HITId']}"
    assignment_id = market.worker("w").hold(other)
    get = market.frame_http.get
    assert get(content).status_code == 403  # a preview needs a session
    assert market.worker("w").http.get(content).status_code == 200
    assert get(content, params={"assignmentId": assignment_id}).status_code == 403
    assert get(f"/hitcontent/{other['HITId']}", params={"assignmentId": assignment_id}).is_success
    assert get("/hitcontent/3NONE").status_code == 404
