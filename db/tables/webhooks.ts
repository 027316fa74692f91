import type { Generated } from 'kysely';
import type { Json } from '../../workflows/definition/values.js';
import type { Created, Jsonb } from './columns.js';

export type DeliveryStatus = 'pending' | 'delivering' | 'delivered' | 'dead' | 'cancelled';

/** Whom events are sent to, and what became of each. */
export interface WebhookTables {
  webhook_endpoints: {
    id: string;
    tenant_id: string;
    /** Null: the events of every workspace of the organisation. */
    workspace_id: string | null;
    url: string;
    description: Generated<string>;
    /** `*`, `run.*` or exact names. */
    event_types: string[];
    /** Only runs of these; empty: of all. */
    definition_ids: Generated<string[]>;
    /** Runs that a subflow started count too. */
    include_children: Generated<boolean>;
    /** Test runs count too. */
    include_tests: Generated<boolean>;
    is_active: Generated<boolean>;
    disabled_reason: string | null;
    disabled_at: Date | null;
    timeout_seconds: Generated<number>;
    headers: Jsonb<Readonly<Record<string, string>>>;
    secret_sealed: string;
    /** Signs too until `previous_expires_at`. */
    previous_secret_sealed: string | null;
    previous_expires_at: Date | null;
    source: Generated<'api' | 'tenant_settings'>;
    /** The first failed attempt since the last that came through. */
    failing_since: Date | null;
    dead_in_a_row: Generated<number>;
    created_by: string;
    created_at: Created;
    updated_at: Created;
    deleted_at: Date | null;
  };
  webhook_deliveries: {
    id: string;
    endpoint_id: string;
    workspace_id: string;
    tenant_id: string;
    /** `webhook-id`: the same for every endpoint, attempt and redrive. */
    event_id: string;
    type: string;
    run_id: string | null;
    /** Of the event in the log of the run. */
    seq: number | null;
    event_key: Generated<string>;
    /** `pending`: the first or next attempt is still to come. */
    status: Generated<DeliveryStatus>;
    attempts: Generated<number>;
    /** The very text that is sent; made at the first attempt. */
    payload: Jsonb<Json> | null;
    next_attempt_at: Date | null;
    last_status: number | null;
    last_error: string | null;
    created_at: Created;
    /** When Temporal was last told of it. */
    dispatched_at: Date | null;
    delivered_at: Date | null;
    ended_at: Date | null;
    redriven_from: string | null;
  };
  webhook_attempts: {
    delivery_id: string;
    number: number;
    at: Created;
    /** Null while it is under way. */
    duration_ms: number | null;
    status: number | null;
    error: string | null;
    /** The first characters of the answer. */
    response: string | null;
  };
}
