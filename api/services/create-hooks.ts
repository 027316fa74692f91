import type { ApiConfig } from '../config.js';
import { createWebhooks, type WebhookServices } from './create-webhooks.js';
import { createIngress, type IngressDeps, type IngressServices } from './ingress/create-ingress.js';

export type HookServices = WebhookServices & IngressServices;

export interface HookDeps extends Omit<IngressDeps, 'here' | 'publicUrl' | 'secrets'> {
  readonly config: Pick<ApiConfig, 'egressAllow' | 'port' | 'publicUrl'>;
  readonly db: IngressDeps['secrets']['db'];
  readonly vault: IngressDeps['secrets']['vault'];
}

/** Webhooks in both directions. */
export function createHooks({ config, db, vault, ...deps }: HookDeps): HookServices {
  const { egressAllow, port, publicUrl } = config;
  const here = publicUrl ?? `http://localhost:${port}`;
  return {
    ...createWebhooks({ db, vault, urlRules: deps.urlRules, egressAllow }),
    ...createIngress({ ...deps, publicUrl, here, secrets: { db, vault } }),
  };
}
