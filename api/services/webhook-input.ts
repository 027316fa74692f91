import type { Database } from '../../db/client.js';
import { isListedByOperator, type EgressRule } from '../../db/egress.js';
import { unscoped } from '../../db/scope.js';
import { unknownDefinitions } from '../../db/webhook-endpoints.js';
import { webhookEventTypes, webhookWildcards } from '../../workflows/contract/webhooks.js';
import { invalid, type ErrorDetail } from '../http/errors.js';
import type { UrlRulesOf } from './egress-lists.js';

export interface WebhookInput {
  readonly url?: string | undefined;
  readonly event_types?: readonly string[] | undefined;
  readonly definition_ids?: readonly string[] | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

export interface WebhookInputDeps {
  readonly db: Database;
  readonly urlRules: UrlRulesOf;
  readonly egressAllow: readonly EgressRule[];
}

export interface WebhookOwner {
  readonly tenantId: string;
  /** Whose rules count for the address. */
  readonly actingIn: string;
  /** Null: the endpoint is the whole organisation's. */
  readonly workspaceId: string | null;
}

/** What may be asked for, by what it begins with, for a caller who wants to know. */
export const eventTypeNames: readonly string[] = [...webhookWildcards, ...webhookEventTypes];

/** Refuses what does not fit, every field with its sentence. */
export async function checkWebhook(deps: WebhookInputDeps, owner: WebhookOwner, input: WebhookInput): Promise<void> {
  const details = [
    ...(input.url === undefined ? [] : await urlProblems(deps, owner, input.url)),
    ...(input.event_types ?? []).flatMap(typeProblem),
    ...Object.keys(input.headers ?? {}).flatMap(headerProblem),
    ...(await definitionProblems(deps, owner, input.definition_ids ?? [])),
  ];
  if (details.length > 0) throw invalid(details);
}

async function urlProblems(
  { urlRules, egressAllow }: WebhookInputDeps,
  { actingIn }: WebhookOwner,
  url: string,
): Promise<readonly ErrorDetail[]> {
  const { urlProblem } = await urlRules(actingIn);
  const problem = urlProblem(url) ?? plainTextProblem(url, egressAllow);
  return problem === null ? [] : [{ field: 'url', message: problem }];
}

/** In plain text events go only where the operator says so by name. */
export function plainTextProblem(url: string, allow: readonly EgressRule[]): string | null {
  if (new URL(url).protocol === 'https:' || isListedByOperator(url, allow)) return null;
  return 'must begin with https://; in plain text events go only to addresses that the operator lists in KEELSON_EGRESS_ALLOW';
}

const typeProblem = (type: string, at: number): readonly ErrorDetail[] =>
  eventTypeNames.includes(type)
    ? []
    : [{ field: `event_types.${at}`, message: `"${type.slice(0, 60)}" is none of ${eventTypeNames.join(', ')}` }];

const headerName = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$/;
/** Ours, or what makes the request itself. */
const reserved =
  /^(webhook-.*|x-webhook-signature|content-type|content-length|content-encoding|transfer-encoding|host|connection|keep-alive|upgrade|te|trailer|expect|user-agent|proxy-.*)$/i;
/** Headers are kept and shown as they are. */
const secretive = /auth|token|secret|password|passwd|api-?key|credential|cookie|signature|session|jwt/i;

function headerProblem(name: string): readonly ErrorDetail[] {
  const field = `headers.${name.slice(0, 100)}`;
  if (!headerName.test(name)) return [{ field, message: 'is not a valid name of a header' }];
  if (reserved.test(name)) return [{ field, message: 'is set by the platform itself; leave it out' }];
  if (!secretive.test(name)) return [];
  const message =
    'would hold a secret, and headers are shown as they are; have the receiver check the signature instead';
  return [{ field, message }];
}

async function definitionProblems(
  { db }: WebhookInputDeps,
  { tenantId, workspaceId }: WebhookOwner,
  ids: readonly string[],
): Promise<readonly ErrorDetail[]> {
  // an endpoint of the organisation may name definitions of workspaces that the caller is not in just now
  const unknown = await unscoped(() => unknownDefinitions(db, { tenantId, workspaceId }, ids));
  return unknown.map((id) => ({
    field: `definition_ids.${ids.indexOf(id)}`,
    message: `there is no definition "${id}"`,
  }));
}
