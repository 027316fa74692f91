import type { Context } from 'koa';
import { newSeed } from '../../db/ids.js';
import type { KeyedRequest } from '../../db/idempotency.js';
import { iterateInScope } from '../../db/scope.js';
import type { Services } from '../services/index.js';
import { answerOf, attempt, sendAnswer, type Answer } from './answer.js';
import { auditOf } from './audit.js';
import { checkContentType, defaultBodyLimit, parseBody, planBody, type BodyPlan } from './body.js';
import type { HttpConfig } from './config.js';
import { isHttps } from './config.js';
import { readCookies, writeCookies } from './cookies.js';
import { ApiError, forbidden } from './errors.js';
import { keyedRequest } from './idempotent.js';
import type { Log } from './log.js';
import { rateCaller, type Counted, type RateLimiter } from './rate-limit.js';
import type { StreamSender } from './sse.js';
import { readRawBody } from './raw-body.js';
import { anonymous, type Actor, type Capability } from '../actor.js';
import { withOrigin } from '../services/audit-origin.js';
import { locationOf } from '../location.js';
import { atLeast } from '../services/roles.js';
import { hasScope, wantedScopes } from '../services/scopes.js';
import { Download, EventStream, type Request, type Route } from './route.js';
import { inScope, scopeOf } from './scope.js';
import { snapshotOf, type TakeSnapshot } from './snapshot.js';
import { problemOfText } from './safe-json.js';
import { traceOf } from './trace.js';
import { refusal, validate } from './validate.js';

export interface ServeDeps {
  /** All of them: what a row changes is shown by another. */
  readonly rows: readonly Route[];
  readonly services: Services;
  readonly log: Log;
  readonly config: HttpConfig;
  readonly limiter: RateLimiter;
  readonly once: (request: KeyedRequest, run: (seed: string) => Promise<Answer>) => Promise<Answer>;
  /** The least role that has a capability, to say in a 403. */
  readonly lowestRole?: ((capability: Capability) => string | undefined) | undefined;
  readonly sendStream: StreamSender;
  /** How long a refused upload may go on before its connection is cut. */
  readonly discardMs?: number | undefined;
}

type Params = Readonly<Record<string, string>>;
type AnyRequest = Request<string, unknown, unknown>;

interface Prepared {
  readonly row: Route;
  readonly deps: ServeDeps;
  readonly body: BodyPlan | undefined;
  readonly readsBody: boolean;
  readonly audit: ReturnType<typeof auditOf>;
  readonly snapshot: TakeSnapshot | undefined;
  readonly secureCookies: boolean;
}

/** A row made ready: what does not change from request to request is worked out here. */
export function prepare(row: Route, deps: ServeDeps): (ctx: Context, params: Params) => Promise<void> {
  const prepared: Prepared = {
    row,
    deps,
    body: planBody(row),
    readsBody: row.method !== 'GET',
    audit: auditOf(row),
    snapshot: snapshotOf(row, deps.rows),
    secureCookies: isHttps(deps.config),
  };
  return (ctx, params) => serve(prepared, ctx, params);
}

async function serve(prepared: Prepared, ctx: Context, params: Params): Promise<void> {
  const { row, deps } = prepared;
  const trace = traceOf(ctx);
  trace.row = row;
  trace.params = params;
  const cookies = readCookies(ctx.req.headers.cookie);
  const caller = { params, cookies };
  const actor = await admit(prepared, ctx, caller);
  trace.actor = actor;
  const request = await requestOf(prepared, ctx, { actor, ...caller });
  const key = keyedRequest(ctx, row, request);
  const run = (seed: string): Promise<Answer> => perform(prepared, { ...request, seed });
  const answer = key === undefined ? await run(request.seed) : await deps.once(key, run);
  writeCookies(ctx, answer.cookies, prepared.secureCookies);
  sendAnswer(ctx, answer);
  if (answer.stream === undefined) return;
  const recheck = async (): Promise<void> => void (await authorise(prepared, ctx, caller));
  deps.sendStream(ctx, answer.stream, { owner: rateCaller('api', ctx, { actor }).key, recheck });
}

async function perform(prepared: Prepared, request: AnyRequest): Promise<Answer> {
  const { row, deps, audit, snapshot } = prepared;
  const before = (await snapshot?.(request, deps)) ?? null;
  const answer = answerOf(row, await handle(row, deps.services, request), deps.log);
  if (audit !== undefined && answer.status < 400) {
    await attempt(deps.log, `no audit entry was written for ${row.id}`, async () => {
      const after = (await snapshot?.(request, deps)) ?? null;
      await deps.services.audit.record(audit({ ...request, answer, before, after }));
    });
  }
  return answer;
}

/** In its caller's workspace and organisation; what is sent later, piece by piece, is made there too. */
async function handle(row: Route, services: Services, request: AnyRequest): Promise<unknown> {
  const scope = scopeOf(row.auth, request.actor);
  const result = await withOrigin(request, () => inScope(scope, () => row.handle(request, services)));
  if (scope === undefined) return result;
  if (result instanceof EventStream) {
    const { messages, framing } = result as EventStream<unknown>;
    return new EventStream((signal) => iterateInScope(scope, () => messages(signal)), framing);
  }
  if (result instanceof Download) {
    const { type, filename, pieces } = result;
    return new Download({ type, filename, pieces: () => iterateInScope(scope, pieces) });
  }
  return result;
}

interface Caller {
  readonly params: Params;
  readonly cookies: Readonly<Record<string, string>>;
}

/** What stands before a row, whatever it answers with. */
export interface Guarded {
  readonly row: Route;
  readonly deps: Pick<ServeDeps, 'services' | 'config' | 'limiter' | 'lowestRole'>;
}

/** Rate limit, who is it, may they. */
export async function admit({ row, deps }: Guarded, ctx: Context, caller: Caller): Promise<Actor> {
  const { limiter } = deps;
  const rate = row.rate ?? 'api';
  if (rate !== 'api') await limiter.take(ctx, rate, rateCaller(rate, ctx));
  checkParams(caller.params);
  if (rate !== 'api') return authorise({ row, deps }, ctx, caller);
  const { key: keyLimit } = deps.config.rateLimits;
  const count = (actor: Counted): Promise<void> => limiter.take(ctx, rate, rateCaller(rate, ctx, { actor, keyLimit }));
  return authorise({ row, deps }, ctx, { ...caller, count });
}

/** Who is it, may they. A user is counted while they are looked up: both ask the database. */
export async function authorise(
  { row, deps }: Guarded,
  ctx: Context,
  { count, ...caller }: Caller & { readonly count?: (actor: Counted) => Promise<void> },
): Promise<Actor> {
  let counting: Promise<void> | undefined;
  const onUser = (id: string): Promise<void> => (counting = count?.({ type: 'user', id }) ?? Promise.resolve());
  const actor = row.auth === 'none' ? anonymous : await authenticate(row, ctx, { deps, caller, onUser });
  if (counting === undefined) await count?.(actor);
  checkRights(row, actor, deps);
  return actor;
}

function checkRights({ can, scope, role }: Route, actor: Actor, { lowestRole }: Guarded['deps']): void {
  if (can !== undefined && !actor.capabilities.has(can)) {
    const least = lowestRole?.(can);
    throw forbidden(
      `This needs the capability "${can}"${least === undefined ? '' : `, which starts at the role "${least}"`}.`,
    );
  }
  const wanted = wantedScopes(scope);
  if (wanted.length > 0 && !wanted.some((each) => hasScope(actor.scopes, each))) {
    throw forbidden(`This needs the scope ${wanted.map((each) => `"${each}"`).join(' or ')}.`);
  }
  if (role !== undefined && (actor.role === null || !atLeast(actor.role, role))) {
    throw forbidden(`This needs the role "${role}" in the organisation, or a stronger one.`);
  }
}

interface Authenticating {
  readonly deps: Guarded['deps'];
  readonly caller: Caller;
  readonly onUser: (userId: string) => Promise<void>;
}

async function authenticate(row: Route, ctx: Context, { deps, caller, onUser }: Authenticating): Promise<Actor> {
  const { authorization, host, origin } = ctx.req.headers;
  const header = (name: string): string | undefined => ctx.get(name) || undefined;
  const fetchSite = header('sec-fetch-site');
  const credentials = {
    auth: row.auth,
    authorization,
    apiKey: header('x-api-key'),
    cookies: caller.cookies,
    onUser,
    workspaceHeader: header('x-workspace-id'),
    tenantHeader: header('x-tenant-id'),
    roleHeader: header('x-tenant-role'),
    ...(row.mfa === undefined ? {} : { mfa: row.mfa }),
    ...(row.verified === undefined ? {} : { verified: row.verified }),
    pathWorkspaceId: row.auth === 'workspace' ? caller.params['id'] : undefined,
    // whether a cookie may speak here is the auth service's to judge; a page of any origin may open a socket
    origin: { method: row.socket === undefined ? ctx.method : 'WS', host, origin, fetchSite },
  };
  try {
    return await deps.services.auth.authenticate(credentials);
  } catch (error) {
    // guessing credentials takes the address's points, as there is no actor to take them from
    if (error instanceof ApiError && error.status === 401) await deps.limiter.take(ctx, 'api', rateCaller('api', ctx));
    throw error;
  }
}

async function requestOf(
  { row, deps, body, readsBody }: Prepared,
  ctx: Context,
  caller: Caller & { readonly actor: Actor },
): Promise<AnyRequest> {
  const status = row.invalidStatus ?? 422;
  if (body !== undefined) checkContentType(ctx, body);
  const bounds = { limit: row.bodyLimit ?? defaultBodyLimit, discardMs: deps.discardMs };
  const rawBody = readsBody ? await readRawBody(ctx, bounds) : Buffer.alloc(0);
  checkQuery(ctx, status);
  const query = row.query === undefined ? undefined : validate(row.query, { ...ctx.query }, { place: 'query', status });
  return {
    ...caller,
    query,
    body:
      body === undefined || row.body === undefined
        ? undefined
        : validate(row.body, parseBody(ctx, body, rawBody), { place: 'body', status }),
    rawBody,
    headers: ctx.req.headers,
    url: ctx.originalUrl,
    ip: ctx.ip,
    location: deps.config.trustProxy ? locationOf(ctx.req.headers) : null,
    requestId: traceOf(ctx).requestId,
    seed: newSeed(),
  };
}

function checkParams(params: Params): void {
  for (const [name, value] of Object.entries(params)) {
    const message = problemOfText(value);
    if (message !== undefined) throw refusal(422, [{ field: `path.${name}`, loc: ['path', name], message }]);
  }
}

export function checkQuery(ctx: Context, status: 400 | 422): void {
  for (const [name, value] of Object.entries(ctx.query)) {
    const message = [name, ...[value].flat()]
      .map((text) => problemOfText(text ?? ''))
      .find((text) => text !== undefined);
    if (message !== undefined) throw refusal(status, [{ field: `query.${name}`, loc: ['query', name], message }]);
  }
}
