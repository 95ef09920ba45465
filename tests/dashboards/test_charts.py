"""What a chart's last point says while its time is not over."""

import pytest

from dashboards.charts import as_if_over
from jobs.statistics import Figures


@pytest.mark.fast
def test_a_minute_that_has_just_begun_is_not_drawn_as_a_fall() -> None:
    former, last = Figures({"state_succeeded": 600}), Figures({"state_succeeded": 30, "state_dead": 2})
    assert as_if_over(last, former, 0.05).counts == {"state_succeeded": 600, "state_dead": 2}
    assert as_if_over(last, former, 1).counts == last.counts
