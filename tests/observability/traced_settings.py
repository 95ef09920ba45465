"""The test settings with OpenTelemetry, whose spans go to the file that QUEUEHUB_TEST_SPANS names.

They go out by the batch, every minute, as they do in production: what is in the file was handed over at an end.
"""

import os
from pathlib import Path

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter

from tests.observability.settings import *  # noqa: F403

file = Path(os.environ["QUEUEHUB_TEST_SPANS"]).open("a", buffering=1)  # noqa: SIM115 - as long as the process lives
exporter = ConsoleSpanExporter(out=file, formatter=lambda span: span.to_json(indent=None) + "\n")
provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=60_000))
trace.set_tracer_provider(provider)

QUEUEHUB = {"TASK_MODULES": ["tests.observability.tasks"], "OPEN_TELEMETRY": True}
