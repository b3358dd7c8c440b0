"""The worker site over HTTP."""

from __future__ import annotations

from html import unescape

import httpx
import pytest

from mturk_eval.server.site.sessions import COOKIE, SESSION_DAYS, clean_name, worker_id_of
from tests.market import Market


def test_signing_in_and_out(market: Market) -> None:
    with httpx.Client(base_url=market.url) as browser:
        assert "Your name or nickname" in browser.get("/").text
        reply = browser.post("/sign-in", data={"name": " Ada  Lovelace ", "next": "/tasks"})
        assert (reply.status_code, reply.headers["location"]) == (303, "/tasks")
        cookie = reply.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=lax" in cookie
        assert "Ada Lovelace" in browser.get("/").text
        token = browser.cookies[COOKIE]
        browser.post("/sign-out")
        assert (
            "Your name or nickname"
            in browser.get("/", headers={"Cookie": f"{COOKIE}={token}"}).text
        )


def test_a_session_ends(market: Market) -> None:
    """After its days, or when its browser signs in again."""
    with httpx.Client(base_url=market.url) as browser:
        tokens = []
        for name in ("Ada", "Bob"):
            browser.post("/sign-in", data={"name": name})
            tokens.append(browser.cookies[COOKIE])
    with httpx.Client(base_url=market.url) as anybody:

        def opens(token: str) -> bool:
            reply = anybody.get("/tasks", headers={"Cookie": f"{COOKIE}={token}"})
            return reply.status_code == 200

        assert [opens(token) for token in tokens] == [False, True]
        market.clock.advance(days=SESSION_DAYS - 0.1)
        assert opens(tokens[1])
        market.clock.advance(days=0.2)
        assert not opens(tokens[1])


def test_the_sign_in_page_says_what_a_name_is(market: Market) -> None:
    page = " ".join(httpx.get(market.url).text.split())
    assert "whoever signs in with the same name continues your work" in page


@pytest.mark.parametrize("bad", ["", "   ", "x" * 65, "a\x07b", "a\u202eb"])
def test_what_is_no_name_is_said(market: Market, bad: str) -> None:
    reply = market.frame_http.post("/sign-in", data={"name": bad})
    assert reply.status_code == 422
    assert "Please give a name" in reply.text
    assert "set-cookie" not in reply.headers


def test_the_same_name_is_the_same_worker() -> None:
    assert worker_id_of("Ada") == worker_id_of(" ada ") != worker_id_of("Bob")
    assert worker_id_of("sim-0001") == "AITYZ7JAMGC47L"  # stays so from release to release
    assert clean_name("  Zoë\u00a0 K. ") == "Zoë K."


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "\\/evil",
        "/\t/evil.example",
        "x",
    ],
)
def test_signing_in_leads_nowhere_else(market: Market, target: str) -> None:
    reply = market.frame_http.post("/sign-in", data={"name": "Eve", "next": target})
    assert reply.headers["location"] == "/"
    market.frame_http.cookies.clear()


def test_forms_of_other_sites_are_refused(market: Market) -> None:
    hit = market.create_hit()
    worker = market.worker("w")
    path = f"/projects/{hit['HITTypeId']}/tasks/{hit['HITId']}/accept"
    for foreign in ("https://evil.example", "null", "http://127.0.0.1:1", "http://["):
        assert worker.http.post(path, headers={"Origin": foreign}).status_code == 403
    assert worker.http.post(path, headers={"Origin": market.url}).status_code == 303


def test_pages_guard_themselves(market: Market) -> None:
    for path in ("/", "/nowhere"):
        reply = market.worker("w").http.get(path)
        policy = reply.headers["content-security-policy"]
        assert "frame-ancestors 'none'" in policy
        assert "unsafe-inline" not in policy
        assert reply.headers["cache-control"] == "no-store"


def test_requester_text_is_escaped(market: Market) -> None:
    evil = "<script>alert(1)</script>"
    hit = market.create_hit(Title=evil, Description=evil)
    worker = market.worker("w")
    assignment_id = worker.hold(hit)
    worker.submit(assignment_id)
    market.mturk.reject_assignment(AssignmentId=assignment_id, RequesterFeedback=evil)
    more = market.create_hit(Title=evil, Description=evil)
    texts = [
        worker.http.get(page).text
        for page in ("/", "/tasks", f"/projects/{more['HITTypeId']}/tasks")
    ]
    texts.append(worker.http.get(worker.accept(more).headers["location"]).text)
    for text in texts:
        assert evil not in text
        assert "&lt;script&gt;" in text


def test_the_list_counts_what_is_open_to_this_worker(market: Market) -> None:
    hits = [market.create_hit(MaxAssignments=2) for _ in range(3)]
    worker = market.worker("w")
    group = f"/projects/{hits[0]['HITGroupId']}/tasks"
    assert "3 tasks" in worker.http.get("/").text
    done = [worker.do(hit) for hit in hits[:2]]
    assert len(done) == 2
    assert "1 task\n" in worker.http.get("/").text or "1 task<" in worker.http.get("/").text
    page = worker.http.post(f"{group}/accept")
    assert hits[2]["HITId"] in page.headers["location"]
    worker.submit(page.headers["location"].partition("=")[2])
    assert worker.http.post(f"{group}/accept").status_code == 409
    after = worker.http.post(f"{group}/accept?after=x")
    assert after.headers["location"] == f"/projects/{hits[0]['HITTypeId']}/done"
    assert "That is all for now" in worker.http.get(after.headers["location"]).text


def test_work_is_spread_evenly_and_returned_tasks_come_last(market: Market) -> None:
    hits = [market.create_hit(MaxAssignments=3) for _ in range(3)]
    accept = f"/projects/{hits[0]['HITTypeId']}/tasks/accept"
    given = [market.worker(str(i)).http.post(accept).headers["location"] for i in range(3)]
    assert [hit["HITId"] in place for hit, place in zip(hits, given, strict=True)] == [True] * 3
    worker = market.worker("0")
    worker.give_back(given[0].partition("=")[2])
    assert hits[0]["HITId"] not in worker.http.post(accept).headers["location"]


def test_without_a_session_one_is_asked_for(market: Market) -> None:
    hit = market.create_hit()
    group = f"/projects/{hit['HITTypeId']}/tasks"
    with httpx.Client(base_url=market.url) as browser:
        for method, path in [
            ("GET", group),
            ("POST", f"{group}/accept"),
            ("POST", f"{group}/{hit['HITId']}/accept"),
            ("GET", f"{group}/{hit['HITId']}?assignment_id=3A"),
            ("GET", "/tasks"),
            ("POST", "/assignments/3A/return"),
        ]:
            reply = browser.request(method, path)
            assert reply.status_code == 303
            assert reply.headers["location"].startswith("/?next=%2F")
        old_link = browser.get(f"/mturk/preview?groupId={hit['HITGroupId']}")
        assert old_link.headers["location"] == f"/projects/{hit['HITGroupId']}/tasks"


def test_what_is_not_there_or_not_mine_is_404(market: Market) -> None:
    hit, other = market.create_hit(), market.create_hit(Title="another group")
    worker, stranger = market.worker("w"), market.worker("stranger")
    held = worker.hold(hit)
    group = f"/projects/{hit['HITTypeId']}/tasks"
    for method, path in [
        ("POST", f"{group}/{other['HITId']}/accept"),
        ("POST", f"{group}/3NONE/accept"),
        ("POST", "/projects/3NONE/tasks/accept"),
        ("GET", "/projects/3NONE/tasks"),
        ("GET", "/projects/3NONE/done"),
        ("GET", f"{group}/{hit['HITId']}?assignment_id={held}"),
        ("POST", f"/assignments/{held}/return"),
        ("GET", "/images/none.png"),
        ("GET", "/static/../pages.py"),
    ]:
        assert stranger.http.request(method, path).status_code == 404, path
    assert worker.http.get(f"{group}/{hit['HITId']}?assignment_id={held}").status_code == 200
    assert worker.http.get("/mturk/externalSubmit").status_code == 405


def test_my_work_shows_what_was_earned(market: Market) -> None:
    worker = market.worker("w")
    hits = [market.create_hit(Reward="1.25", MaxAssignments=2) for _ in range(3)]
    first, second = worker.do(hits[0]), worker.do(hits[1])
    held = worker.hold(hits[2])
    market.mturk.approve_assignment(AssignmentId=first, RequesterFeedback="Thank you!")
    worker_id = market.mturk.get_assignment(AssignmentId=first)["Assignment"]["WorkerId"]
    market.mturk.send_bonus(
        WorkerId=worker_id, AssignmentId=first, BonusAmount="0.50", Reason="careful"
    )
    page = worker.http.get("/tasks").text
    for text in ("$1.75", "$0.50 of it in bonuses", "$1.25", "In review", "Thank you!", held):
        assert text in page
    refused = worker.http.post(f"/assignments/{second}/return")
    assert refused.status_code == 409
    assert worker.give_back(held).status_code == 303
    assert worker.give_back(held).status_code == 303


def test_a_task_that_is_over_says_so(market: Market) -> None:
    """At once, also while an answer that is on its way is still taken."""
    hit = market.create_hit(AssignmentDurationInSeconds=60)
    worker = market.worker("w")
    place = worker.accept(hit).headers["location"]
    assert place in unescape(worker.http.get("/tasks").text)
    for seconds in (61, 30):
        market.clock.advance(seconds=seconds)
        page = worker.http.get(place)
        assert page.status_code == 409
        assert "The time for this task ran out." in page.text
        for path in ("/", "/tasks"):
            assert place not in unescape(worker.http.get(path).text)


def test_a_task_that_is_over_does_not_keep_one_from_the_next(market: Market) -> None:
    late = market.create_hit(AssignmentDurationInSeconds=60)
    worker = market.worker("w")
    worker.hold(late)
    market.clock.advance(seconds=61)
    following = market.create_hit(AssignmentDurationInSeconds=60)
    reply = worker.http.post(f"/projects/{late['HITTypeId']}/tasks/accept")
    assert following["HITId"] in reply.headers["location"]
