"""Random lives of many jobs: whatever the order of verbs, the ledger is what the model says, and its laws hold."""

from functools import partial

import hypothesis
import pytest
from hypothesis.stateful import run_state_machine_as_test

from jobs.events import Change
from jobs.transports.memory import MemoryTransport
from tests.properties.stories import Stories

EXAMPLES, STEPS = 45, 25


@pytest.mark.timeout(3600)  # a failure takes minutes to shrink
def test_any_order_of_verbs_leaves_the_ledger_as_the_model_says(
    ledger: None, transport: MemoryTransport, heard: list[Change], is_deep: bool
) -> None:
    settings = hypothesis.settings(suppress_health_check=list(hypothesis.HealthCheck))
    if not is_deep:
        settings = hypothesis.settings(settings, max_examples=EXAMPLES, stateful_step_count=STEPS)
    run_state_machine_as_test(partial(Stories, transport, heard), settings=settings)  # type: ignore[no-untyped-call]
