import { createAuditChain } from '../../db/audit-chain.js';
import { createAuditSeal } from '../../db/audit-seal.js';
import type { Database } from '../../db/client.js';
import { createEgressClient } from '../../db/egress-client.js';
import type { EgressRule } from '../../db/egress.js';
import { createTenantLimits } from '../../db/tenant-egress.js';
import type { Vault } from '../../db/vault/vault.js';
import type { WebhookActivities } from '../../workflows/contract/webhooks.js';
import type { MailPort } from '../mail/port.js';
import { createWebhookActivities } from './attempt.js';
import { createDisable } from './disable.js';
import { createPost } from './post.js';
import { createSlots } from './slots.js';

export interface WebhookDeps {
  readonly db: Database;
  readonly vault: Vault;
  readonly masterKey: Buffer;
  readonly mail: MailPort;
  readonly log: { readonly warn: (fields: object, message: string) => void };
  readonly egressAllow: readonly EgressRule[];
  readonly webhooks: {
    /** Requests to one endpoint at a time. */
    readonly concurrency: number;
    readonly mostDead: number;
  };
  /** Of the worker: webhooks take half of them at most, so that receivers who take their time never hold up a run. */
  readonly maxConcurrentActivities: number;
}

export function createWebhooks({ db, vault, masterKey, mail, log, ...config }: WebhookDeps): WebhookActivities {
  const { concurrency, mostDead } = config.webhooks;
  const total = Math.max(1, Math.floor(config.maxConcurrentActivities / 2));
  const audit = createAuditChain({ db, seal: createAuditSeal(masterKey) });
  const client = createEgressClient({ allow: config.egressAllow });
  return createWebhookActivities({
    db,
    vault,
    mostDead,
    post: createPost({ client, limitsOf: createTenantLimits(db).of }),
    slots: createSlots({ perKey: concurrency, total }),
    disable: createDisable({ db, mail, audit, log }),
  });
}
