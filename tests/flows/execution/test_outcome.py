"""What each outcome of a call means for the attempt's row, the health of route and upstream, and the next step."""

from __future__ import annotations

import msgspec
import pytest

from imagegate.domain.errors import TaskError, TaskErrorCode
from imagegate.domain.images import ImageOrder, Size
from imagegate.domain.money import Nanos
from imagegate.domain.tasks import Attempt, AttemptOutcome, FailureKind, Task, TaskState
from imagegate.domain.time import US_PER_SECOND
from imagegate.domain.usage import Usage, UsageSource
from imagegate.flows.execution.outcome import NO_READABLE_IMAGE, OutcomeEffects, effects_of
from imagegate.flows.execution.state import (
    OUTCOME_UNKNOWN,
    Delivered,
    Execution,
    ExecutionState,
    Lease,
    MaybeBought,
    RouteUnavailable,
    Stop,
)
from imagegate.routing.circuit_breaker import Health
from imagegate.routing.planner import WaitReason
from imagegate.runtime import Runtime
from imagegate.spool import SpooledImage, SpooledResponse
from imagegate.upstreams.base import Outcome, Produced, Refused, Rejected, Unavailable, Unknown
from imagegate.upstreams.errors import NO_ROUTE
from tests.flows.conftest import CREATED

ERROR = TaskError(TaskErrorCode.service_error, "why")
ATTEMPT = Attempt(
    id="att_1",
    task_id="task-unified-1795341693-imcg5zqt",
    account_id="acc_1",
    claim_no=1,
    route="gpt-image-2@cheap",
    upstream="cheap",
    outcome=AttemptOutcome.sending,
    started=CREATED,
    cost=700,
)
FAILED_BEFORE = Health(consecutive_failures=1, window_start=CREATED, window_calls=1, window_failures=1)


def execution_of(runtime: Runtime) -> Execution:
    task = Task(
        id=ATTEMPT.task_id,
        account_id=ATTEMPT.account_id,
        key_id="key_1",
        state=TaskState.running,
        claim_no=1,
        crashes=0,
        progress=0,
        order=ImageOrder("gpt-image-2", "gpt-image-2", "x", Size("1:1", 1024, 1024, False, "1K"), "medium", 2),
        billing_rule="per_token",
        price_version="2026-11-01.1",
        hold=Nanos(1),
        created=CREATED,
        deadline=CREATED + 1,
    )
    return Execution(runtime, task, Lease(60), ExecutionState())


def response(width: int = 1024) -> SpooledResponse:
    image = SpooledImage("0.png", "image/png", width, 1024, 99, "00")
    return SpooledResponse((image,), Usage(images=1, image_output=1756), UsageSource.upstream, request_id="req_1")


def health_after(effects: OutcomeEffects, scope: str) -> Health:
    return effects.update_health(scope, FAILED_BEFORE, CREATED)


def test_what_was_produced_is_delivered_and_heals_route_and_upstream(runtime: Runtime) -> None:
    produced = response()
    effects = effects_of(execution_of(runtime), msgspec.structs.replace(ATTEMPT, images=1), Produced(produced))
    assert effects.next_step == Delivered(produced)
    assert (effects.result.outcome, effects.result.images, effects.result.request_id) == ("produced", 1, "req_1")
    assert effects.result.detail == ""
    for scope in (ATTEMPT.route, ATTEMPT.upstream):
        assert health_after(effects, scope).consecutive_failures == 0
        assert health_after(effects, scope).anomalies == 0


def test_anomalies_are_kept_with_the_attempt_and_counted_against_the_route_alone(runtime: Runtime) -> None:
    effects = effects_of(execution_of(runtime), msgspec.structs.replace(ATTEMPT, images=2), Produced(response(512)))
    assert "size 512x1024 instead of 1024x1024" in str(effects.result.detail)
    assert "1 of 2 images" in str(effects.result.detail)
    assert health_after(effects, ATTEMPT.route).anomalies == 1
    assert health_after(effects, ATTEMPT.upstream).anomalies == 0


@pytest.mark.parametrize(
    ("outcome", "name", "needs_operator"),
    [
        (Refused(ERROR, "req_1"), AttemptOutcome.refused, False),
        (Rejected(ERROR, "req_1"), AttemptOutcome.rejected, False),
        (Rejected(ERROR, "req_1", unmapped=True), AttemptOutcome.rejected, True),
    ],
)
def test_a_refusal_stops_the_task_costs_nothing_and_heals_the_route(
    runtime: Runtime, outcome: Outcome, name: AttemptOutcome, needs_operator: bool
) -> None:
    effects = effects_of(execution_of(runtime), ATTEMPT, outcome)
    assert effects.next_step == Stop(ERROR)
    assert (effects.result.outcome, effects.result.cost, effects.result.detail) == (name, 0, "why")
    assert effects.needs_operator is needs_operator
    assert health_after(effects, ATTEMPT.route).consecutive_failures == 0


@pytest.mark.parametrize("kind", FailureKind)
def test_an_unavailability_counts_where_it_belongs(runtime: Runtime, kind: FailureKind) -> None:
    effects = effects_of(execution_of(runtime), ATTEMPT, Unavailable("busy", ERROR, kind, retry_after_s=1.5))
    assert effects.next_step == RouteUnavailable(ERROR, kind, runtime.clock())
    assert (effects.result.outcome, effects.result.cost) == (AttemptOutcome.unavailable, 0)
    of_upstream = {FailureKind.out_of_funds, FailureKind.blocked, FailureKind.bad_key}
    concerned, other = ATTEMPT.route, ATTEMPT.upstream
    if kind in of_upstream:
        concerned, other = other, concerned
    assert health_after(effects, other) == FAILED_BEFORE
    assert (health_after(effects, concerned) == FAILED_BEFORE) is (kind == FailureKind.internal)
    assert effects.needs_operator is (kind in of_upstream | {FailureKind.misconfigured, FailureKind.no_model})
    if kind == FailureKind.throttled:
        assert health_after(effects, concerned).rate_limited_until == CREATED + 1_500_000


@pytest.mark.parametrize(("bad_body", "error"), [(False, OUTCOME_UNKNOWN), (True, NO_READABLE_IMAGE)])
def test_an_unknown_outcome_may_have_cost_what_was_expected(runtime: Runtime, bad_body: bool, error: TaskError) -> None:
    effects = effects_of(execution_of(runtime), ATTEMPT, Unknown("cut", bad_body=bad_body))
    assert effects.next_step == MaybeBought(error, runtime.clock())
    assert (effects.result.outcome, effects.result.cost) == (AttemptOutcome.unknown, ATTEMPT.cost)
    assert health_after(effects, ATTEMPT.route).consecutive_failures == 2
    assert health_after(effects, ATTEMPT.upstream) == FAILED_BEFORE


def test_the_state_takes_each_step_into_account() -> None:
    state, route = ExecutionState(waiting_since=1), ATTEMPT.route
    state.apply(ATTEMPT, RouteUnavailable(ERROR, FailureKind.throttled, CREATED))
    assert (state.excluded_routes, state.failure_counts, state.error) == (set(), {route: 1}, ERROR)
    assert state.waits[route].reason is WaitReason.throttled
    state.apply(ATTEMPT, MaybeBought(OUTCOME_UNKNOWN, CREATED))
    assert (state.unknown_attempt, state.unknown_at, state.unknown_count) == (ATTEMPT, CREATED, 1)
    state.apply(ATTEMPT, RouteUnavailable(ERROR, FailureKind.no_model, CREATED))
    assert (state.excluded_routes, state.error) == ({route}, OUTCOME_UNKNOWN), "it may still have been made"
    state.apply(ATTEMPT, Delivered(response()))
    assert state == ExecutionState(batches=[(ATTEMPT, response())])


def test_a_task_leaves_a_failing_route_alone_for_longer_each_time() -> None:
    state = ExecutionState()
    waits = []
    for _ in range(9):
        state.apply(ATTEMPT, RouteUnavailable(NO_ROUTE, FailureKind.failing, CREATED))
        waits.append((state.waits[ATTEMPT.route].until - CREATED) / US_PER_SECOND)
    for number, wait in enumerate(waits):
        full = min(2**number, 60)
        assert full / 2 <= wait <= full, "jitter only shortens"
