"""Addresses of the pages, of the probes and of /metrics."""

from django.urls import path

from dashboards import views
from dashboards.actions import verb_view
from dashboards.pages.overview import overview
from dashboards.pages.queues import queue, queues
from dashboards.pages.schedule_edit import schedule_edit
from dashboards.pages.schedules import schedules
from dashboards.pages.tasks import task, tasks
from dashboards.pages.workers import workers

app_name = "dashboards"
urlpatterns = [
    path("", overview, name="overview"),
    path("queues/", queues, name="queues"),
    path("queues/<str:name>/", queue, name="queue"),
    path("queues/<str:key>/<slug:verb_name>/", verb_view("queue"), name="queue_verb"),
    path("workers/", workers, name="workers"),
    path("workers/<str:key>/<slug:verb_name>/", verb_view("worker"), name="worker_verb"),
    path("schedules/", schedules, name="schedules"),
    path("schedules/<int:key>/edit/", schedule_edit, name="schedule_edit"),
    path("schedules/<int:key>/<slug:verb_name>/", verb_view("schedule"), name="schedule_verb"),
    path("tasks/", tasks, name="tasks"),
    path("tasks/<str:name>/", task, name="task"),
    path("snapshot.json", views.snapshot_json, name="snapshot"),
    path("series.json", views.series_json, name="series"),
    path("healthz", views.healthz, name="healthz"),
    path("readyz", views.readyz, name="readyz"),
    path("metrics", views.metrics_text, name="metrics"),
]
