import type { Scope } from './scopes.js';

export interface ServiceAccount {
  readonly allowed_scopes: readonly (Scope | 'support:*')[];
  /** False: a token may also stand for the whole installation. */
  readonly requires_tenant: boolean;
  readonly default_ttl_minutes: number;
  readonly max_ttl_minutes: number;
}

const HOUR = 60;
const DAY = 24 * HOUR;

/** Programs that act without a person, and the most each of them may be given. */
export const serviceAccounts: Readonly<Record<string, ServiceAccount>> = {
  'analytics-batch': {
    allowed_scopes: ['analytics:read', 'calls:read', 'conversations:read', 'runs:read', 'tools:read', 'workflows:read'],
    requires_tenant: true,
    default_ttl_minutes: DAY,
    max_ttl_minutes: 30 * DAY,
  },
  'billing-worker': {
    allowed_scopes: ['billing:manage', 'billing:read'],
    requires_tenant: true,
    default_ttl_minutes: DAY,
    max_ttl_minutes: 7 * DAY,
  },
  'support-console': {
    allowed_scopes: ['conversations:read', 'runs:read', 'support:*', 'support:read'],
    requires_tenant: false,
    default_ttl_minutes: HOUR,
    max_ttl_minutes: 8 * HOUR,
  },
  'synthetic-monitor': {
    allowed_scopes: ['agents:read', 'conversations:read', 'runs:read', 'tools:read', 'workflows:read'],
    requires_tenant: false,
    default_ttl_minutes: DAY,
    max_ttl_minutes: 30 * DAY,
  },
  'demo-bot': {
    allowed_scopes: [
      'agents:read',
      'conversations:read',
      'conversations:write',
      'runs:read',
      'runs:write',
      'tools:read',
      'workflows:read',
    ],
    requires_tenant: true,
    default_ttl_minutes: HOUR,
    max_ttl_minutes: DAY,
  },
};
