import { derivedId } from '../../../db/ids.js';
import { scoped } from '../../../db/scoped.js';
import type { SecretStore } from '../../../db/secrets.js';
import { chainProblems } from '../../../workflows/definition/chain-problems.js';
import type { Json } from '../../../workflows/definition/values.js';
import { conflict, notFound, unauthenticated } from '../../http/errors.js';
import { statusOf } from '../chain-run-view.js';
import type { Accepted } from '../chain-runs.js';
import { openSecret } from '../chain-secrets.js';
import { documentOf, findChain, noSteps, type Chain } from '../chain-target.js';
import type { UrlRulesOf } from '../egress-lists.js';
import { checkInput } from '../json-check.js';
import { keptHeaders, keptQuery, plainHeaders } from './kept.js';
import { runIdOf } from './process.js';
import { boundedId, contentTypeOf, take, type Came, type ReceiveDeps } from './receive.js';
import { keelson } from './schemes/index.js';

/** The address that every chain with an inbound webhook step has. */

export interface ChainIngressDeps extends ReceiveDeps {
  readonly urlRules: UrlRulesOf;
  readonly secrets: SecretStore;
}

export interface ChainCame extends Came {
  readonly slug: string;
  /** The body as the route has read it. */
  readonly input: Json;
  readonly actor: string;
}

/** From a signed-in caller with a signature, drafts too. */
export async function receiveForChain(
  deps: ChainIngressDeps,
  came: ChainCame & { readonly workspaceId: string },
): Promise<Accepted> {
  const chain = await findChain(deps.db, { workspaceId: came.workspaceId }, came.slug);
  await verify(deps, chain, came);
  return accept(deps, chain, { ...came, trigger: 'ingress' });
}

/** From anybody with a signature; live chains only. */
export async function receiveForPublicChain(
  deps: ChainIngressDeps,
  came: ChainCame & { readonly workspaceSlug: string },
): Promise<Accepted> {
  const chain = await findChain(deps.db, { workspaceSlug: came.workspaceSlug }, came.slug);
  if (chain.status === 'draft') throw notFound('live chain', came.slug);
  await verify(deps, chain, came);
  if (chain.status === 'paused') throw conflict(`The chain "${came.slug}" is paused; try again later.`);
  return accept(deps, chain, { ...came, trigger: 'public_ingress' });
}

/** The chain's inbound webhook step holds the key; the signature is made over the body's bytes. */
async function verify({ secrets, log }: ChainIngressDeps, chain: Chain, came: ChainCame): Promise<void> {
  const inbound = documentOf(chain).primary_steps.find(
    (step) => step.kind === 'webhook' && step.config.url === undefined,
  );
  const text = inbound?.kind === 'webhook' ? inbound.config.secret : undefined;
  const secret = text === undefined ? null : await openSecret(secrets, chain.workspace_id, text);
  const delivery = { headers: plainHeaders(came.headers), rawBody: came.rawBody, url: came.url };
  if (secret !== null && secret !== '' && keelson.verify(delivery, { secret, settings: {} }) !== null) return;
  log.warn({ chain: chain.id, workspace: chain.workspace_id }, 'an inbound webhook was refused');
  throw unauthenticated('X-Chain-Signature is missing or does not match the body.');
}

async function accept(deps: ChainIngressDeps, chain: Chain, came: ChainCame & { readonly trigger: string }) {
  await refuseUnready(deps, chain);
  if (chain.plan === null) throw noSteps(chain.slug);
  checkInput(chain.plan, came.input, 'input');
  const providerId = came.headers['webhook-id']?.toString();
  const { workspace_id: workspaceId } = chain;
  const { id } = await take(deps, {
    id: derivedId('msg', came.seed),
    workspaceId,
    sourceId: null,
    definitionId: chain.id,
    providerId: providerId === undefined ? null : boundedId(providerId),
    headers: keptHeaders(came.headers, { names: [], carrier: keelson.carrier({}) }),
    query: keptQuery(came.url),
    body: came.rawBody,
    contentType: contentTypeOf(came.headers) || 'application/json',
    ...{ ip: came.ip, trigger: came.trigger, actor: came.actor, status: 'received', reason: null },
  });
  const runId = runIdOf(id);
  const run = await scoped(deps.db, workspaceId)
    .select('runs')
    .select('status')
    .where('id', '=', runId)
    .executeTakeFirst();
  return { run_id: runId, status: statusOf(run?.status ?? 'queued') };
}

async function refuseUnready({ urlRules }: ChainIngressDeps, chain: Chain): Promise<void> {
  const blockers = chainProblems(documentOf(chain), await urlRules(chain.workspace_id));
  if (blockers.length > 0) throw conflict(`The chain "${chain.slug}" is not ready for outside callers.`, { blockers });
}
