import type { ColumnType, Generated } from 'kysely';
import type { Json } from '../../workflows/definition/values.js';
import type { Created, Jsonb } from './columns.js';

/** Starts a definition, or raises an event under a name and a key. */
export type IngressTarget =
  | { readonly definition: string }
  /** `key`: a template over the message; null for an event without one. */
  | { readonly event: { readonly name: string; readonly key: string | null } };

/** `received`: accepted, to be processed; the others are ends, of which `dead` can be driven anew. */
export type IngressStatus = 'received' | 'processed' | 'dead' | 'ignored';

/** Webhooks that come in. */
export interface IngressTables {
  /** Where webhooks come from, and what they do. */
  ingress_sources: {
    id: string;
    workspace_id: string;
    name: string;
    /** Unique among those of the workspace that are not deleted: the address names it. */
    slug: string;
    provider: string;
    /** What the provider's scheme asks for besides the secret. */
    verification: Jsonb<Json>;
    secret_sealed: string;
    /** Verifies too until `previous_secret_until`. */
    previous_secret_sealed: string | null;
    previous_secret_until: Date | null;
    target: Jsonb<IngressTarget>;
    /** Mapping that makes a run's input, or an event's payload, of a message; null: the whole message. */
    input: ColumnType<Json, string | null, string | null>;
    /** Names of headers that are kept beside the usual ones. */
    keep_headers: string[];
    tolerance_seconds: number;
    is_active: Generated<boolean>;
    /** Requests whose signature did not fit, of which nothing else is kept. */
    rejected_count: Generated<string>;
    last_rejected_at: ColumnType<Date | null, never, Date>;
    created_by: string;
    created_at: Created;
    updated_at: Created;
    deleted_at: Date | null;
  };
  /** Each as it came, byte by byte. */
  ingress_messages: {
    id: string;
    workspace_id: string;
    /** Null where a chain's own address took it. */
    source_id: string | null;
    /** What it started, or is to start. */
    definition_id: string | null;
    /** Unique in the workspace: the source and the provider's id, or the message's own where there is none. */
    dedup_key: string;
    provider_id: string | null;
    received_at: Created;
    /** Those that are kept; never one that carries a credential. */
    headers: Jsonb<Readonly<Record<string, string>>>;
    query: Jsonb<Readonly<Record<string, Json>>>;
    body: Buffer;
    body_sha256: string;
    content_type: string;
    ip: string | null;
    /** Of the run it starts. */
    trigger: string;
    actor: string;
    status: IngressStatus;
    attempts: Generated<number>;
    /** Not tried again before. */
    next_attempt_at: Generated<Date>;
    /** Why it is dead or ignored, as a sentence. */
    reason: string | null;
    run_id: string | null;
    event_name: string | null;
    event_key: string | null;
    processed_at: Date | null;
    /** How often the provider sent it again, and how often with another body. */
    duplicates: Generated<number>;
    altered_duplicates: Generated<number>;
  };
}
