import { unauthenticated } from '../http/errors.js';
import type { KitServices } from '../http/serve.js';

/** Composes the rules behind the routes; the resources join here as they come. */
export function createServices(): KitServices {
  return {
    auth: { authenticate: () => Promise.reject(unauthenticated('Nobody can sign in yet.')) },
    audit: { record: () => Promise.resolve() },
    workspaces: {},
    tokens: {},
    secrets: {},
    chains: {},
    runs: {},
    approvals: {},
    schedules: {},
  };
}
