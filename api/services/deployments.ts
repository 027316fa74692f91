import type { Database } from '../../db/client.js';
import { randomToken, sha256Hex } from '../../db/crypto.js';
import { insertDeployment, listDeployments, revokeDeployment, type DeploymentRow } from '../../db/deployments.js';
import { newId } from '../../db/ids.js';
import type { Json } from '../../workflows/definition/values.js';
import type { Actor } from '../actor.js';
import { conflict, notFound } from '../http/errors.js';
import { findWorkflow } from './definition-rows.js';

const PREFIX_LENGTH = 12;
const MAX_LIVE = 100;

export interface NewDeploymentInput {
  readonly channel: string;
  readonly name?: string | undefined;
  readonly allowed_origins: readonly string[];
  readonly theme: Readonly<Record<string, Json>>;
}

/** Which definition, by id or slug, in which workspace. */
interface Named {
  readonly workspaceId: string;
  readonly agent: string;
}

export interface DeploymentService {
  readonly list: (
    of: Named,
    page: { readonly limit: number; readonly offset: number },
  ) => Promise<{ readonly items: readonly DeploymentRow[]; readonly total: number }>;
  /** `token` is shown this once: only its hash is kept. */
  readonly create: (
    actor: Actor,
    agent: string,
    input: NewDeploymentInput,
  ) => Promise<DeploymentRow & { readonly token: string }>;
  /** The token stops working at once. */
  readonly revoke: (of: Named & { readonly deploymentId: string }) => Promise<void>;
}

export const createDeploymentService = ({ db }: { readonly db: Database }): DeploymentService => ({
  list: async (of, page) => listDeployments(db, await refOf(db, of), page),
  create: (actor, agent, input) => createDeployment(db, { actor, agent, input }),
  revoke: async ({ deploymentId: id, ...of }) => {
    if (!(await revokeDeployment(db, { ...(await refOf(db, of)), id }))) throw notFound('deployment', id);
  },
});

async function refOf(db: Database, { workspaceId, agent }: Named) {
  const { id: definitionId } = await findWorkflow(db, workspaceId, agent);
  return { workspaceId, definitionId };
}

async function createDeployment(
  db: Database,
  { actor, agent, input }: { readonly actor: Actor; readonly agent: string; readonly input: NewDeploymentInput },
) {
  const of = await refOf(db, { workspaceId: actor.workspaceId, agent });
  const token = `cdp_${randomToken()}`;
  const { channel, name = null, allowed_origins: origins, theme } = input;
  const made = await insertDeployment(db, {
    ...{ ...of, channel, name, theme },
    id: newId('dep'),
    tokenHash: sha256Hex(token),
    prefix: token.slice(0, PREFIX_LENGTH),
    allowedOrigins: [...new Set(origins)],
    createdBy: actor.id,
    atMost: MAX_LIVE,
  });
  if (made === 'full') throw conflict(`It has ${MAX_LIVE} deployments, the most it may have: revoke one first.`);
  if (made === 'taken') throw conflict(`name: a deployment "${name ?? ''}" exists here; revoke it or choose another.`);
  return { ...made, token };
}
