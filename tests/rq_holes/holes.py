"""Every hole of RQ 3.0 and django-rq 4.2 that is known to us, and the tests that show it.

`seen_in_rq` provoke it in stock RQ; where that would take too long, `not_shown` says why. `harmless_here` let the same
happen to QueueHub. Names are paths below tests/.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Hole:
    """One thing that RQ does, and what shows it."""

    statement: str
    harmless_here: tuple[str, ...]
    seen_in_rq: tuple[str, ...] = ()
    not_shown: str = ""


HOLES = (
    # -- between Redis and the worker ---------------------------------------------------------------------------
    Hole(
        "Killed between BLPOP on two queues and the started registry, the job is queued in no structure for ever.",
        seen_in_rq=("rq_holes/test_pop.py::test_rq_with_two_queues_forgets_a_job_when_it_ends_after_the_pop",),
        harmless_here=(
            "rq_holes/test_pop.py::test_a_worker_killed_after_the_pop_loses_nothing",
            "acceptance/test_kills.py::test_a_killed_child_is_noticed_within_a_second_and_its_job_runs_again",
            "acceptance/test_flush.py::test_queues_of_a_thousand_jobs_outlive_three_flushes",
        ),
    ),
    Hole(
        "SIGTERM between the pop and BUSY drops the job, at every deployment.",
        seen_in_rq=("rq_holes/test_pop.py::test_rq_with_two_queues_forgets_a_job_when_it_ends_after_the_pop",),
        harmless_here=(
            "rq_holes/test_pop.py::test_a_worker_asked_to_end_after_the_pop_gives_back_what_has_not_begun",
            "rq_holes/test_pop.py::test_a_pool_asked_to_end_while_a_worker_starts_ends_at_once",
            "acceptance/test_sigterm.py::test_two_hundred_claimed_jobs_survive_a_sigterm",
        ),
    ),
    Hole(
        "A reply of BLPOP that is lost on the wire takes its job with it; the retry pops the next one.",
        seen_in_rq=("rq_holes/test_pop.py::test_rq_pops_another_job_when_the_reply_is_lost_and_forgets_the_first",),
        harmless_here=("rq_holes/test_pop.py::test_a_lost_reply_to_a_pop_loses_no_job",),
    ),
    Hole(
        "An enqueue whose reply is lost is pushed twice, and runs twice.",
        seen_in_rq=("rq_holes/test_pop.py::test_rq_runs_a_job_twice_when_the_reply_to_its_enqueue_is_lost",),
        harmless_here=(
            "rq_holes/test_pop.py::test_a_lost_reply_to_an_enqueue_makes_no_second_run",
            "engine/test_receiver.py::test_forged_replayed_and_outdated_messages_are_dropped",
            "rq/test_commands.py::test_a_stock_worker_does_not_run_a_job_again_that_is_done",
        ),
    ),
    # -- between a worker's steps -------------------------------------------------------------------------------
    Hole(
        "Killed between preparing and starting: the clean-up skips the job, then deletes its entry.",
        seen_in_rq=("rq_holes/test_steps.py::test_rq_forgets_a_job_whose_worker_dies_between_preparing_and_starting",),
        harmless_here=(
            "rq_holes/test_steps.py::test_a_worker_killed_between_its_claim_and_the_run_leaves_no_mark",
            "time/test_reconciler.py::test_jobs_that_an_ended_worker_still_holds_go_on",
        ),
    ),
    Hole(
        "A retry with an interval is several writes, not one transaction.",
        seen_in_rq=("rq_holes/test_steps.py::test_rq_forgets_a_job_whose_worker_dies_while_it_plans_the_retry",),
        harmless_here=(
            "rq_holes/test_steps.py::test_a_worker_killed_while_it_writes_a_retry_has_written_all_or_nothing",
        ),
    ),
    Hole(
        "Requeueing a failed job is several writes, not one transaction.",
        seen_in_rq=("rq_holes/test_steps.py::test_rq_forgets_a_failed_job_when_its_requeue_is_killed",),
        harmless_here=("rq_holes/test_steps.py::test_a_killed_retry_by_hand_changes_nothing",),
    ),
    # -- what nobody foresaw ------------------------------------------------------------------------------------
    Hole(
        "One unreadable job hash ends every worker that meets it.",
        seen_in_rq=("rq_holes/test_errors.py::test_rq_workers_end_one_after_the_other_at_an_unreadable_job",),
        harmless_here=(
            "rq_holes/test_errors.py::test_unreadable_jobs_end_no_worker",
            "rq/test_plain.py::test_a_damaged_job_is_refused_and_stops_nobody",
            "rq/test_commands.py::test_rqworker_survives_a_flushed_and_a_damaged_redis",
            "transports/test_rq_damage.py::test_a_message_is_delivered_whatever_its_hash_holds",
        ),
    ),
    Hole(
        "Any unexpected error ends the worker.",
        seen_in_rq=("rq_holes/test_errors.py::test_rq_workers_end_at_an_unexpected_error",),
        harmless_here=(
            "rq_holes/test_errors.py::test_unexpected_errors_end_no_worker",
            "rq_holes/test_errors.py::test_a_pool_that_may_not_fork_tries_again",
        ),
    ),
    Hole(
        "The pool replaces workers without a growing pause.",
        not_shown="rq.worker_pool: check_workers starts what is missing once a second, whatever happened before",
        harmless_here=(
            "rq_holes/test_errors.py::test_a_worker_that_dies_at_its_start_is_replaced_after_longer_and_longer_pauses",
        ),
    ),
    # -- who may write, and whose clock counts ------------------------------------------------------------------
    Hole(
        "No fence: a frozen worker that thaws overwrites the result of the one that took over.",
        seen_in_rq=("rq_holes/test_fence.py::test_rq_lets_a_worker_that_thaws_overwrite_the_result",),
        harmless_here=(
            "rq_holes/test_fence.py::test_a_worker_that_thaws_overwrites_nothing",
            "acceptance/test_freeze.py::test_a_pool_that_thaws_after_thirty_seconds_has_nothing_accepted_twice",
            "engine/test_claim.py::test_stale_worker_cannot_overwrite_a_finished_job",
        ),
    ),
    Hole(
        "Clients' clocks decide what is abandoned: two hosts 120 s apart requeue or fail healthy jobs.",
        seen_in_rq=("rq_holes/test_fence.py::test_rq_fails_a_healthy_job_when_another_host_is_two_minutes_ahead",),
        harmless_here=(
            "rq_holes/test_fence.py::test_two_minutes_between_the_clocks_of_hosts_change_nothing",
            "time/test_reconciler.py::test_now_is_the_databases",
            "time/test_reconciler.py::test_silence_counts_only_from_when_the_reconciler_itself_was_there",
        ),
    ),
    Hole(
        "Clean-up runs whenever somebody looks at a page or scrapes the metrics.",
        seen_in_rq=("rq_holes/test_pages.py::test_django_rq_cleans_up_when_somebody_looks",),
        harmless_here=("rq_holes/test_pages.py::test_a_look_at_any_page_repairs_expires_and_deletes_nothing",),
    ),
    # -- the end of a run ---------------------------------------------------------------------------------------
    Hole(
        "A Redis error while a success is recorded: the job runs again or is called failed.",
        seen_in_rq=(
            "rq_holes/test_success.py::test_rq_calls_a_job_failed_when_redis_errs_while_its_success_is_recorded",
        ),
        harmless_here=(
            "rq_holes/test_success.py::test_a_success_is_recorded_while_redis_refuses_every_write",
            "engine/test_settle.py::test_a_settlement_whose_reply_was_lost_is_made_once",
        ),
    ),
    Hole(
        "A success callback that raises makes the job failed.",
        seen_in_rq=("rq_holes/test_success.py::test_rq_calls_a_job_failed_when_its_success_callback_raises",),
        harmless_here=(
            "rq_holes/test_success.py::test_a_listener_that_raises_changes_no_success",
            "engine/test_executor_atomic.py::test_a_hook_that_raises_after_the_commit_is_no_failure",
            "engine/test_settle.py::test_a_listener_that_fails_harms_nobody",
            "rq/test_plain.py::test_a_job_that_carries_more_than_a_call_is_refused",
        ),
    ),
    Hole(
        "Redis away at a heartbeat: the worker exits, its child runs on as an orphan.",
        seen_in_rq=("rq_holes/test_success.py::test_rq_leaves_a_running_job_as_an_orphan_when_redis_goes_away",),
        harmless_here=("rq_holes/test_success.py::test_redis_that_goes_away_while_a_job_runs_ends_nothing",),
    ),
    Hole(
        "os._exit(0) in a job passes for a good end: no failure, no retry.",
        seen_in_rq=("rq_holes/test_success.py::test_rq_notices_nothing_when_a_job_ends_its_process_with_0",),
        harmless_here=("rq_holes/test_success.py::test_a_job_that_ends_its_process_with_0_is_lost_and_runs_again",),
    ),
    Hole(
        "`except Exception` in a job swallows its time-out.",
        seen_in_rq=("rq_holes/test_limits.py::test_rq_lets_a_job_swallow_its_timeout",),
        harmless_here=(
            "rq_holes/test_limits.py::test_a_job_that_swallows_its_timeout_and_one_in_c_are_killed",
            "engine/test_executor.py::test_a_limit_that_was_swallowed_strikes_again",
            "acceptance/test_hard_timeout.py::test_a_job_that_swallows_its_timeout_is_killed_too",
        ),
    ),
    Hole(
        "A time-out does not interrupt C code.",
        not_shown="RQ kills the child at last, but 60 seconds after its limit (BaseWorker.monitor_work_horse)",
        harmless_here=(
            "rq_holes/test_limits.py::test_a_job_that_swallows_its_timeout_and_one_in_c_are_killed",
            "acceptance/test_hard_timeout.py::test_a_busy_loop_in_c_is_killed_at_its_hard_timeout",
            "rq/test_hard_limit.py::test_c_code_that_holds_the_interpreter_is_killed_at_the_deadline",
        ),
    ),
    # -- what is kept -------------------------------------------------------------------------------------------
    Hole(
        "Four failures keep one traceback.",
        seen_in_rq=("rq_holes/test_history.py::test_rq_keeps_one_traceback_of_four_failures_and_keeps_it_for_ever",),
        harmless_here=("rq_holes/test_history.py::test_four_failures_keep_four_tracebacks",),
    ),
    Hole(
        "Results of failed jobs have no lifetime.",
        seen_in_rq=("rq_holes/test_history.py::test_rq_keeps_one_traceback_of_four_failures_and_keeps_it_for_ever",),
        harmless_here=(
            "time/test_due.py::test_each_final_state_has_its_own_retention",
            "time/test_due.py::test_attempts_go_with_their_job_and_no_others",
        ),
    ),
    Hole(
        "Registries of canceled jobs grow for ever.",
        seen_in_rq=("rq_holes/test_history.py::test_rq_never_forgets_a_canceled_job",),
        harmless_here=("time/test_due.py::test_each_final_state_has_its_own_retention",),
    ),
    # -- code that hides in data --------------------------------------------------------------------------------
    Hole(
        "Pickle by default: looking at a job unpickles it.",
        seen_in_rq=("rq_holes/test_code.py::test_rq_runs_a_pickle_when_somebody_looks_at_the_job",),
        harmless_here=(
            "rq_holes/test_code.py::test_pages_run_no_pickle_that_lies_on_redis",
            "rq/test_plain.py::test_a_pickle_is_never_loaded",
            "acceptance/test_rq_interop.py::test_an_allowed_plain_job_runs_and_hostile_messages_run_nothing",
        ),
    ),
    Hole(
        "Even with JSON, any function that can be imported is called by its name, eval among them.",
        seen_in_rq=("rq_holes/test_code.py::test_rq_runs_any_function_that_can_be_named_even_with_json",),
        harmless_here=(
            "rq/test_plain.py::test_any_other_function_is_refused",
            "engine/test_executor.py::test_a_row_with_an_unknown_task_becomes_a_dead_letter",
            "engine/test_receiver.py::test_unknown_tasks_reach_the_desk_and_not_the_import_system",
        ),
    ),
    # -- django-rq ----------------------------------------------------------------------------------------------
    Hole(
        "django-rq sends after the commit without an outbox: a crash in between forgets the job.",
        seen_in_rq=("rq_holes/test_outbox.py::test_django_rq_forgets_the_job_when_it_dies_between_commit_and_send",),
        harmless_here=("rq_holes/test_outbox.py::test_a_process_that_dies_between_commit_and_send_forgets_nothing",),
    ),
    Hole(
        "enqueue_at, enqueue_in and enqueue_many ignore the commit mode.",
        seen_in_rq=(
            "rq_holes/test_outbox.py::test_django_rq_keeps_later_and_bulk_jobs_of_a_transaction_that_is_rolled_back",
        ),
        harmless_here=(
            "rq_holes/test_outbox.py::test_later_and_bulk_jobs_follow_the_transaction",
            "engine/test_enqueue_transactions.py::test_a_rollback_leaves_nothing",
            "acceptance/test_enqueue_leaves_no_trace.py::test_a_rollback_leaves_no_trace",
        ),
    ),
    Hole(
        "Any member of the staff may do everything.",
        seen_in_rq=("rq_holes/test_pages.py::test_django_rq_lets_any_staff_act_and_notes_nothing",),
        harmless_here=(
            "rq_holes/test_pages.py::test_staff_without_a_permission_can_do_nothing_and_their_try_is_noted",
            "admin/test_verbs.py::test_a_viewer_gets_403_for_every_verb_by_every_way",
            "engine/test_operate.py::test_a_user_without_the_permission_is_refused_and_noted",
        ),
    ),
    Hole(
        "Nothing says who did what.",
        seen_in_rq=("rq_holes/test_pages.py::test_django_rq_lets_any_staff_act_and_notes_nothing",),
        harmless_here=(
            "admin/test_verbs.py::test_an_operator_confirms_with_a_reason_and_the_log_keeps_it",
            "engine/test_operate.py::test_every_change_has_one_audit_row",
        ),
    ),
    Hole(
        "/metrics?name[]=x cuts every later scrape.",
        seen_in_rq=("rq_holes/test_pages.py::test_django_rq_s_metrics_stay_cut_after_one_selection",),
        harmless_here=(
            "rq_holes/test_pages.py::test_no_selection_cuts_the_next_scrape",
            "metrics/test_page.py::test_a_selection_by_name_does_not_spoil_the_next_scrape",
        ),
    ),
)
