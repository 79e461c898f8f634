"""The statements of `leases`: functions in the session's own temporary schema, so that one lease costs one round trip.

They are made per connection, not by a migration, because they are the lease protocol itself: every process brings the version that
its code expects, and the tables stay plain. `terms` is a JSON object: where the capacity of a resource comes from (`Terms`).
"""

from __future__ import annotations

from typing import Final

# Whether the number of requests is found out, which the console may have changed; never for a resource without a server.
FINDS: Final = """
CREATE FUNCTION pg_temp.aegis_finds(terms jsonb) RETURNS boolean LANGUAGE sql AS $$
SELECT terms ->> 'server' <> ''
    AND coalesce((SELECT m.value FROM aegis_limit m WHERE m.name = terms ->> 'choice'), (terms ->> 'auto')::bigint) = 1
$$"""

# The lock is per resource. Each statement of a plpgsql function sees what was committed before it: after the lock, all of it.
GRANT: Final = """
CREATE FUNCTION pg_temp.aegis_grant(wanted text, terms jsonb, me bigint, reap boolean)
RETURNS TABLE (lease uuid, capacity bigint, in_flight bigint) LANGUAGE plpgsql AS $$
DECLARE
    ceiling bigint;
    slots bigint;
    used bigint;
    head record;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('aegis_lease:' || wanted, 2));
    IF reap THEN
        DELETE FROM aegis_lease l WHERE l.resource = wanted AND l.session <> me AND NOT EXISTS (
            SELECT 1 FROM pg_locks k
            WHERE k.locktype = 'advisory' AND k.granted AND k.objsubid = 1
              AND k.database = (SELECT oid FROM pg_database WHERE datname = current_database())
              AND k.classid::bigint = (l.session >> 32) AND k.objid::bigint = (l.session & 4294967295));
    END IF;
    ceiling := coalesce((SELECT m.value FROM aegis_limit m WHERE m.name = terms ->> 'limit'), (terms ->> 'fallback')::bigint, 0);
    slots := ceiling;
    IF pg_temp.aegis_finds(terms) THEN
        slots := least(ceiling, coalesce(
            (SELECT c.value FROM aegis_concurrency c WHERE c.resource = wanted AND c.server = terms ->> 'server'),
            (terms ->> 'start')::bigint));
    END IF;
    used := (SELECT coalesce(sum(l.weight), 0) FROM aegis_lease l WHERE l.resource = wanted AND l.held);
    LOOP
        -- Strict order: what comes first waits for room, or small requests would starve a large one. What can never fit is passed;
        -- what is heavier than the limit found out goes alone.
        SELECT l.id, l.weight, l.session INTO head FROM aegis_lease l
        LEFT JOIN (
            SELECT h.owner, sum(h.weight) AS weight FROM aegis_lease h WHERE h.resource = wanted AND h.held GROUP BY h.owner
        ) holding ON holding.owner = l.owner
        WHERE l.resource = wanted AND NOT l.held AND l.weight <= ceiling
        ORDER BY coalesce(holding.weight, 0), l.requested_at, l.id LIMIT 1;
        EXIT WHEN NOT FOUND OR (used > 0 AND used + head.weight > slots);
        used := used + head.weight;
        UPDATE aegis_lease l SET held = true, granted_at = clock_timestamp(), in_flight = used WHERE l.id = head.id;
        IF head.session = me THEN
            lease := head.id;
            capacity := ceiling;
            RETURN NEXT;
        ELSE
            PERFORM pg_notify('aegis_lease_' || head.session, head.id::text);
        END IF;
    END LOOP;
    lease := NULL;
    capacity := ceiling;
    RETURN NEXT;
END $$"""

REQUEST: Final = """
CREATE FUNCTION pg_temp.aegis_request(
    one uuid, wanted text, wanted_weight bigint, for_owner uuid, me bigint, who text, terms jsonb, is_held boolean
) RETURNS TABLE (lease uuid, capacity bigint, in_flight bigint) LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO aegis_lease (id, resource, weight, owner, session, holder, held, requested_at, granted_at)
    VALUES (one, wanted, wanted_weight, for_owner, me, who, is_held, clock_timestamp(),
        CASE WHEN is_held THEN clock_timestamp() END)
    ON CONFLICT (id) DO UPDATE SET session = EXCLUDED.session, held = EXCLUDED.held;
    RETURN QUERY SELECT * FROM pg_temp.aegis_grant(wanted, terms, me, false);
    -- Only who has to wait looks for the dead.
    IF EXISTS (SELECT 1 FROM aegis_lease l WHERE l.id = one AND NOT l.held) THEN
        RETURN QUERY SELECT * FROM pg_temp.aegis_grant(wanted, terms, me, true);
    END IF;
END $$"""

# report: what its holder noted of the request, NULL for nothing. The last row's in_flight is set when it is time to decide on the
# limit: when enough answers have come to requests that were sent under it, and at most twice a second, however fast they come.
RELEASE: Final = """
CREATE FUNCTION pg_temp.aegis_release(one uuid, wanted text, terms jsonb, me bigint, report jsonb)
RETURNS TABLE (lease uuid, capacity bigint, in_flight bigint) LANGUAGE plpgsql AS $$
DECLARE
    busy bigint;
    gone record;
    known record;
    answered bigint;
    ready boolean := false;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('aegis_lease:' || wanted, 2));
    busy := (SELECT coalesce(sum(l.weight), 0) FROM aegis_lease l WHERE l.resource = wanted AND l.held);
    DELETE FROM aegis_lease l WHERE l.id = one RETURNING l.held, l.granted_at, l.in_flight INTO gone;
    IF gone.held AND report IS NOT NULL AND terms ->> 'server' <> '' THEN
        busy := greatest(busy, gone.in_flight);
        SELECT c.since, c.due, c.decided_at INTO known FROM aegis_concurrency c
        WHERE c.resource = wanted AND c.server = terms ->> 'server';
        IF report ? 'refused' THEN
            ready := known.since IS NULL OR gone.granted_at >= known.since;
        ELSE
            INSERT INTO aegis_answer (resource, server, in_flight, granted_at, ended_at, waited, served, tokens)
            VALUES (wanted, terms ->> 'server', busy, gone.granted_at,
                clock_timestamp() - make_interval(secs => (report ->> 'ago')::float), (report ->> 'waited')::float,
                (report ->> 'served')::float, (report ->> 'tokens')::bigint);
            IF known.decided_at IS NULL OR known.decided_at < clock_timestamp() - interval '0.5 s' THEN
                answered := (SELECT count(a.waited) FROM aegis_answer a
                    WHERE a.resource = wanted AND a.server = terms ->> 'server'
                      AND a.ended_at >= coalesce(known.since, '-infinity') AND a.granted_at >= coalesce(known.since, '-infinity'));
                ready := answered >= coalesce(known.due, (terms ->> 'start')::bigint);
            END IF;
        END IF;
    END IF;
    RETURN QUERY SELECT * FROM pg_temp.aegis_grant(wanted, terms, me, false);
    IF ready AND pg_temp.aegis_finds(terms) THEN
        RETURN QUERY SELECT NULL::uuid, NULL::bigint, busy;
    END IF;
END $$"""

FUNCTIONS: Final = (FINDS, GRANT, REQUEST, RELEASE)

CALL_REQUEST: Final = """
SELECT lease, capacity, in_flight FROM pg_temp.aegis_request(
    %(lease)s::uuid, %(resource)s::text, %(weight)s::bigint, %(owner)s::uuid, %(session)s::bigint, %(holder)s::text,
    %(terms)s::jsonb, %(held)s::boolean)"""
CALL_RELEASE: Final = """
SELECT lease, capacity, in_flight FROM pg_temp.aegis_release(
    %(lease)s::uuid, %(resource)s::text, %(terms)s::jsonb, %(session)s::bigint, %(report)s::jsonb)"""
CALL_GRANT: Final = """
SELECT lease, capacity, in_flight FROM pg_temp.aegis_grant(
    %(resource)s::text, %(terms)s::jsonb, %(session)s::bigint, true)"""
LOCK_SESSION: Final = "SELECT pg_advisory_lock(%(session)s)"

# The limit that is found out. What is read grows with RECENT, what is deleted with the answers of a minute.
RECENT: Final = 256
LIMIT_STATE: Final = """
SELECT extract(epoch FROM clock_timestamp())::float AS now, c.state, c.version,
    coalesce((SELECT m.value FROM aegis_limit m WHERE m.name = %(limit)s), %(fallback)s) AS ceiling
FROM (SELECT 1) present LEFT JOIN aegis_concurrency c ON c.resource = %(resource)s AND c.server = %(server)s"""
RECENT_ANSWERS: Final = """
SELECT in_flight, extract(epoch FROM granted_at)::float, extract(epoch FROM ended_at)::float, waited, served, tokens
FROM aegis_answer WHERE resource = %(resource)s AND server = %(server)s AND waited IS NOT NULL
    AND ended_at > clock_timestamp() - interval '10 min'
ORDER BY ended_at DESC LIMIT %(recent)s"""
SAVE_LIMIT: Final = """
INSERT INTO aegis_concurrency AS c (resource, server, value, since, due, state, version, decided_at)
VALUES (%(resource)s, %(server)s, %(value)s, to_timestamp(%(since)s), %(due)s, %(state)s, 1, clock_timestamp())
ON CONFLICT (resource, server) DO UPDATE SET value = EXCLUDED.value, since = EXCLUDED.since, due = EXCLUDED.due,
    state = EXCLUDED.state, version = c.version + 1, decided_at = EXCLUDED.decided_at
WHERE c.version = %(seen)s RETURNING c.version"""
# ago: seconds since this process's own requests made progress, NULL when they made none that is not written yet.
SHARE_PROGRESS: Final = """
INSERT INTO aegis_concurrency AS c (resource, server, value, since, due, progress_at)
VALUES (%(resource)s, %(server)s, %(start)s, 'epoch', %(start)s, clock_timestamp() - make_interval(secs => %(ago)s))
ON CONFLICT (resource, server) DO UPDATE SET progress_at = greatest(c.progress_at, EXCLUDED.progress_at)
RETURNING extract(epoch FROM clock_timestamp() - c.progress_at)::float"""
READ_PROGRESS: Final = """
SELECT extract(epoch FROM clock_timestamp() - progress_at)::float FROM aegis_concurrency
WHERE resource = %(resource)s AND server = %(server)s"""
FORGET_ANSWERS: Final = """
DELETE FROM aegis_answer WHERE resource = %(resource)s AND server = %(server)s
    AND ended_at < clock_timestamp() - interval '10 min'"""

HOLDERS: Final = """
SELECT l.id, l.resource, l.weight, l.owner, l.held, l.holder, l.requested_at, l.granted_at FROM aegis_lease l
WHERE EXISTS (
    SELECT 1 FROM pg_locks k
    WHERE k.locktype = 'advisory' AND k.granted AND k.objsubid = 1
      AND k.database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND k.classid::bigint = (l.session >> 32) AND k.objid::bigint = (l.session & 4294967295))
ORDER BY l.resource, l.held DESC, l.requested_at, l.id"""
CAPACITIES: Final = "SELECT name, value FROM aegis_limit"
FOUND_LIMIT: Final = """
SELECT (SELECT c.value FROM aegis_concurrency c WHERE c.resource = %(resource)s AND c.server = %(server)s) AS value,
    (SELECT count(*) FROM aegis_answer a WHERE a.resource = %(resource)s AND a.server = %(server)s
        AND a.ended_at > clock_timestamp() - interval '60 s') AS answered"""
