"""The statements of `leases`: functions in the session's own temporary schema, so that one lease costs one round trip.

They are made per connection, not by a migration, because they are the lease protocol itself: every process brings the version that
its code expects, and the tables stay plain.
"""

from __future__ import annotations

from typing import Final

# The lock is per resource. Each statement of a plpgsql function sees what was committed before it: after the lock, all of it.
GRANT: Final = """
CREATE FUNCTION pg_temp.aegis_grant(wanted text, fallback bigint, limit_name text, me bigint, reap boolean)
RETURNS TABLE (lease uuid, capacity bigint) LANGUAGE plpgsql AS $$
DECLARE
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
    slots := coalesce((SELECT m.value FROM aegis_limit m WHERE m.name = limit_name), fallback, 0);
    used := (SELECT coalesce(sum(l.weight), 0) FROM aegis_lease l WHERE l.resource = wanted AND l.held);
    LOOP
        -- Strict order: what comes first waits for room, or small requests would starve a large one. What can never fit is passed.
        SELECT l.id, l.weight, l.session INTO head FROM aegis_lease l
        LEFT JOIN (
            SELECT h.owner, sum(h.weight) AS weight FROM aegis_lease h WHERE h.resource = wanted AND h.held GROUP BY h.owner
        ) holding ON holding.owner = l.owner
        WHERE l.resource = wanted AND NOT l.held AND l.weight <= slots
        ORDER BY coalesce(holding.weight, 0), l.requested_at, l.id LIMIT 1;
        EXIT WHEN NOT FOUND OR used + head.weight > slots;
        UPDATE aegis_lease l SET held = true, granted_at = clock_timestamp() WHERE l.id = head.id;
        used := used + head.weight;
        IF head.session = me THEN
            lease := head.id;
            capacity := slots;
            RETURN NEXT;
        ELSE
            PERFORM pg_notify('aegis_lease_' || head.session, head.id::text);
        END IF;
    END LOOP;
    lease := NULL;
    capacity := slots;
    RETURN NEXT;
END $$"""

REQUEST: Final = """
CREATE FUNCTION pg_temp.aegis_request(
    one uuid, wanted text, wanted_weight bigint, for_owner uuid, me bigint, who text, fallback bigint,
    limit_name text, is_held boolean
) RETURNS TABLE (lease uuid, capacity bigint) LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO aegis_lease (id, resource, weight, owner, session, holder, held, requested_at, granted_at)
    VALUES (one, wanted, wanted_weight, for_owner, me, who, is_held, clock_timestamp(),
        CASE WHEN is_held THEN clock_timestamp() END)
    ON CONFLICT (id) DO UPDATE SET session = EXCLUDED.session, held = EXCLUDED.held;
    RETURN QUERY SELECT * FROM pg_temp.aegis_grant(wanted, fallback, limit_name, me, false);
    -- Only who has to wait looks for the dead.
    IF EXISTS (SELECT 1 FROM aegis_lease l WHERE l.id = one AND NOT l.held) THEN
        RETURN QUERY SELECT * FROM pg_temp.aegis_grant(wanted, fallback, limit_name, me, true);
    END IF;
END $$"""

RELEASE: Final = """
CREATE FUNCTION pg_temp.aegis_release(one uuid, wanted text, fallback bigint, limit_name text, me bigint)
RETURNS TABLE (lease uuid, capacity bigint) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('aegis_lease:' || wanted, 2));
    DELETE FROM aegis_lease l WHERE l.id = one;
    RETURN QUERY SELECT * FROM pg_temp.aegis_grant(wanted, fallback, limit_name, me, false);
END $$"""

FUNCTIONS: Final = (GRANT, REQUEST, RELEASE)

CALL_REQUEST: Final = """
SELECT lease, capacity FROM pg_temp.aegis_request(
    %(lease)s::uuid, %(resource)s::text, %(weight)s::bigint, %(owner)s::uuid, %(session)s::bigint, %(holder)s::text,
    %(fallback)s::bigint, %(limit)s::text, %(held)s::boolean)"""
CALL_RELEASE: Final = """
SELECT lease, capacity FROM pg_temp.aegis_release(
    %(lease)s::uuid, %(resource)s::text, %(fallback)s::bigint, %(limit)s::text, %(session)s::bigint)"""
CALL_GRANT: Final = """
SELECT lease, capacity FROM pg_temp.aegis_grant(
    %(resource)s::text, %(fallback)s::bigint, %(limit)s::text, %(session)s::bigint, true)"""
LOCK_SESSION: Final = "SELECT pg_advisory_lock(%(session)s)"

HOLDERS: Final = """
SELECT l.id, l.resource, l.weight, l.owner, l.held, l.holder, l.requested_at, l.granted_at FROM aegis_lease l
WHERE EXISTS (
    SELECT 1 FROM pg_locks k
    WHERE k.locktype = 'advisory' AND k.granted AND k.objsubid = 1
      AND k.database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND k.classid::bigint = (l.session >> 32) AND k.objid::bigint = (l.session & 4294967295))
ORDER BY l.resource, l.held DESC, l.requested_at, l.id"""
CAPACITIES: Final = "SELECT name, value FROM aegis_limit"
