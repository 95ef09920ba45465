-- What the roles of roles.sql may do: no more than what the code really asks for. Run it as the owner after each migrate:
--
--   psql -v ON_ERROR_STOP=1 -d queuehub -f ops/postgresql/grants.sql
--
-- It is one transaction that takes no lock on rows or tables, so running processes notice nothing. What you have granted on your
-- application's own tables stays; a table of QueueHub that a release brings belongs to nobody else until this has run.

\if :{?web} \else \set web queuehub_web \endif
\if :{?worker} \else \set worker queuehub_worker \endif
\if :{?scheduler} \else \set scheduler queuehub_scheduler \endif
\if :{?reader} \else \set reader queuehub_reader \endif

BEGIN;
SELECT format('REVOKE ALL ON %I FROM PUBLIC, %I, %I, %I, %I', tablename, :'web', :'worker', :'scheduler', :'reader')
FROM pg_tables WHERE schemaname = 'public' AND tablename ~ '^(jobs|dashboards)_' \gexec

-- What an enqueue writes; the rest of a new row are the defaults. Whoever may enqueue cannot claim.
\set new_job 'id, task, args, kwargs, payload_format, queue, priority, state, max_attempts, timeout_seconds, due_at, published_at, publish_seq, expires_at, unique_key, tags, meta, trace, correlation_id, parent_id, tenant, subject, enqueued_by'
-- What the end of a run or a loss writes.
\set ended_job 'state, attempt, failure_count, loss_count, due_at, finished_at, result, reason, claim, claimed_at, fingerprint'
-- Rows of statistics and of the audit log. Who writes them by the ORM must be able to read what an INSERT returns: the
-- id and every column with a default in the database.
\set new_count 'period, minute_at, queue, task, counts, histograms'
\set new_entry 'at, actor, action, target, result, reason, before, after, operation_id'

-- Web: enqueues, shows, and does the operators' verbs. It deletes no job and changes no audit row.
GRANT SELECT ON jobs_job, jobs_attempt, jobs_queue, jobs_worker, jobs_schedule, jobs_schedulerun, jobs_schedulerlease,
    jobs_statistic, jobs_auditentry, jobs_operation, jobs_operationresult, jobs_failuregroup TO :"web";
GRANT INSERT (:new_job), UPDATE (state, args, kwargs, due_at, failure_count, loss_count, finished_at, expires_at,
    cancel_requested_at, reason, published_at, queue) ON jobs_job TO :"web";
GRANT INSERT, UPDATE (paused_at, paused_by, paused_reason) ON jobs_queue TO :"web";
GRANT UPDATE (asked) ON jobs_worker TO :"web";
GRANT SELECT ON django_migrations TO :"web"; -- for /metrics
GRANT UPDATE (is_enabled, is_edited, next_at, cron, every_seconds, timezone, misfire, queue, priority, args, kwargs)
    ON jobs_schedule TO :"web";
GRANT INSERT (:new_count) ON jobs_statistic TO :"web";
GRANT INSERT (:new_entry) ON jobs_auditentry TO :"web";
GRANT INSERT, UPDATE ON jobs_operation TO :"web";
GRANT INSERT ON jobs_operationresult TO :"web";

-- Worker: claims, runs and settles. No audit log, no schedules, no users.
GRANT SELECT ON jobs_job, jobs_attempt, jobs_queue, jobs_worker TO :"worker";
GRANT INSERT (:new_job), UPDATE (:ended_job, worker, published_at, publish_seq, progress) ON jobs_job TO :"worker";
GRANT INSERT ON jobs_attempt, jobs_failure TO :"worker";
GRANT INSERT ON jobs_worker TO :"worker";
GRANT UPDATE (state, heartbeat_at, ended_at, runs, memory_bytes) ON jobs_worker TO :"worker";
GRANT INSERT ON jobs_queue TO :"worker";
GRANT INSERT (:new_count), SELECT ON jobs_statistic TO :"worker";

-- Scheduler: moves on what is due, does bulk operations, repairs, fires schedules, gathers failures, and deletes what has been
-- kept long enough. Of the audit log it reads what an undo needs, not who did it.
GRANT SELECT ON jobs_job, jobs_attempt, jobs_queue, jobs_worker, jobs_schedule, jobs_schedulerun, jobs_schedulerlease,
    jobs_statistic, jobs_operation, jobs_operationresult, jobs_failure, jobs_failuregroup, jobs_notice TO :"scheduler";
GRANT INSERT (:new_job), UPDATE (:ended_job, published_at, publish_seq, expires_at, cancel_requested_at, queue), DELETE
    ON jobs_job TO :"scheduler";
GRANT INSERT, UPDATE (fingerprint), DELETE ON jobs_attempt TO :"scheduler";
GRANT UPDATE (state, ended_at, runs), DELETE ON jobs_worker TO :"scheduler";
GRANT INSERT ON jobs_queue TO :"scheduler";
GRANT INSERT, UPDATE ON jobs_schedule TO :"scheduler";
GRANT INSERT, DELETE ON jobs_schedulerun TO :"scheduler";
GRANT INSERT, UPDATE ON jobs_schedulerlease TO :"scheduler";
GRANT INSERT (:new_count), UPDATE (counts, histograms), DELETE ON jobs_statistic TO :"scheduler";
GRANT INSERT (:new_entry), SELECT (id, at, action, target, result, reason, before, operation_id) ON jobs_auditentry
    TO :"scheduler";
GRANT UPDATE, DELETE ON jobs_operation TO :"scheduler";
GRANT INSERT, DELETE ON jobs_operationresult, jobs_failure TO :"scheduler";
GRANT UPDATE (fingerprint) ON jobs_failure TO :"scheduler"; -- to lock what it counts
GRANT INSERT, UPDATE, DELETE ON jobs_failuregroup, jobs_notice TO :"scheduler";

-- Reader: figures for /metrics and for a person who asks, without arguments, results, messages and tracebacks.
GRANT SELECT (id, task, queue, priority, state, attempt, failure_count, loss_count, created_at, due_at, published_at, claimed_at,
    worker, finished_at, expires_at, cancel_requested_at) ON jobs_job TO :"reader";
GRANT SELECT (id, job_id, number, outcome, worker, host, pid, code_version, queue, started_at, finished_at, is_alone,
    exception_class, fingerprint) ON jobs_attempt TO :"reader";
GRANT SELECT (id, name, task, queue, priority, cron, every_seconds, timezone, misfire, is_enabled, is_edited, next_at, planned_by,
    last_at, last_error, created_at) ON jobs_schedule TO :"reader"; -- last_error: why it enqueued nothing, in the scheduler's words
GRANT SELECT ON jobs_queue, jobs_worker, jobs_schedulerlease, jobs_schedulerun, jobs_statistic TO :"reader";

-- Pages: the counts behind their limits. Left out where the app is not installed.
SELECT to_regclass('dashboards_ratewindow') IS NOT NULL AS has_pages \gset
\if :has_pages
GRANT SELECT, INSERT, UPDATE (count, ends_at), DELETE ON dashboards_ratewindow TO :"web";
\endif

-- Django's own tables, for web alone: sessions, users and groups as the admin edits them, its log of edits. A site that manages
-- its users elsewhere takes INSERT and DELETE on the five auth tables back.
GRANT SELECT, INSERT, UPDATE, DELETE ON django_session, auth_user, auth_group TO :"web";
GRANT SELECT, INSERT, DELETE ON auth_user_groups, auth_user_user_permissions, auth_group_permissions, django_admin_log TO :"web";
GRANT SELECT ON auth_permission, django_content_type TO :"web";
COMMIT;
