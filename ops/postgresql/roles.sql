-- The roles of QueueHub, once per database and before the first migrate. Run it as a superuser, connected to that database:
--
--   psql -v ON_ERROR_STOP=1 -d queuehub -f ops/postgresql/roles.sql
--
-- These roles hold rights and cannot log in. The processes log in as members of them, which can be exchanged while the
-- others work; docs/least-privilege.md says how. Other names: -v owner=… -v web=… -v worker=… -v scheduler=… -v reader=…
-- What each may do is in grants.sql. Running this again changes nothing.

\if :{?owner} \else \set owner queuehub_owner \endif
\if :{?web} \else \set web queuehub_web \endif
\if :{?worker} \else \set worker queuehub_worker \endif
\if :{?scheduler} \else \set scheduler queuehub_scheduler \endif
\if :{?reader} \else \set reader queuehub_reader \endif

BEGIN;
SELECT format('CREATE ROLE %I NOLOGIN', name)
FROM unnest(ARRAY[:'owner', :'web', :'worker', :'scheduler', :'reader']) AS name
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) \gexec

-- Nobody comes in, makes tables or temporary tables by being anybody.
SELECT format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database()) \gexec
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
SELECT format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), name)
FROM unnest(ARRAY[:'owner', :'web', :'worker', :'scheduler', :'reader']) AS name \gexec

-- The owner migrates; nothing else runs as it.
GRANT USAGE, CREATE ON SCHEMA public TO :"owner";
GRANT USAGE ON SCHEMA public TO :"web", :"worker", :"scheduler", :"reader";
COMMIT;
