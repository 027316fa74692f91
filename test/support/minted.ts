import { randomBytes } from 'node:crypto';
import type { Database } from '../../db/client.js';
import { sha256Hex } from '../../db/crypto.js';
import { newId, newSeed } from '../../db/ids.js';
import type { Person } from './api.js';
import { publish } from './commands.js';

/** Tokens as rows, for tests that need many kinds of them. */

export const tenantOf = async (db: Database, person: Person): Promise<string> =>
  (await db.selectFrom('users').select('tenant_id').where('id', '=', person.userId).executeTakeFirstOrThrow())
    .tenant_id;

export async function mintEmbed(db: Database, person: Person, revoked = false): Promise<string> {
  const token = `cdp_${randomBytes(32).toString('base64url')}`;
  const { id } = await publish(db, person, { slug: `embedded-${newSeed()}` });
  await db
    .insertInto('deployments')
    .values({
      id: newId('dep'),
      workspace_id: person.workspace.id,
      definition_id: id,
      channel: 'web',
      name: null,
      token_hash: sha256Hex(token),
      prefix: token.slice(0, 12),
      allowed_origins: [],
      created_by: person.userId,
      last_used_at: null,
      revoked_at: revoked ? new Date() : null,
    })
    .execute();
  return token;
}

export async function mintOrg(db: Database, person: Person, revoked = false): Promise<string> {
  const token = `org_${randomBytes(32).toString('base64url')}`;
  await db
    .insertInto('org_tokens')
    .values({
      id: newId('org'),
      tenant_id: await tenantOf(db, person),
      name: newSeed(),
      token_hash: sha256Hex(token),
      prefix: token.slice(0, 12),
      created_by: person.userId,
      last_used_at: null,
      revoked_at: revoked ? new Date() : null,
    })
    .execute();
  return token;
}
