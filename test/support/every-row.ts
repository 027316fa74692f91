import { SignJWT } from 'jose';
import type { Capability } from '../../api/actor.js';
import type { Route } from '../../api/http/route.js';
import { routes } from '../../api/routes/index.js';
import { allRoutes } from '../../api/server.js';
import { roleCapabilities } from '../../api/services/roles.js';
import { insertCall } from '../../db/calls.js';
import type { Database } from '../../db/client.js';
import { storeMessage } from '../../db/ingress-messages.js';
import { newSeed, derivedId } from '../../db/ids.js';
import { writeFlush } from '../../db/run-records.js';
import { storeValue } from '../../db/values.js';
import { ADMIN_TOKEN, startTestApi, type Person, type TestApi } from './api.js';
import { someCall } from './calls.js';
import { openWaitOf } from './commands.js';
import { noFlush, seedRun, stepRecord } from './runs.js';
import { silentTemporal } from './silent-temporal.js';

/** A running API with two workspaces that know nothing of each other, for tests that go over every row. */
export interface EveryRow {
  readonly url: string;
  readonly rows: readonly Route[];
  /** The owner's workspace: `:id` of workspace rows. */
  readonly workspaceId: string;
  /** Authorization headers. */
  readonly owner: string;
  readonly admin: string;
  /** A page's, with a deployment's token. */
  readonly embed: string;
  /** Of another workspace. */
  readonly stranger: string;
  /** A member with the weakest role, and what that may. */
  readonly weakest: { readonly authorization: string; readonly may: ReadonlySet<Capability> };
  /** Credentials that must not open anything: forged, expired, of the wrong kind. */
  readonly refused: readonly string[];
  /** Ids of things in the owner's workspace by the name of the path parameter: the stranger must not find them. */
  readonly existing: Readonly<Record<string, string>>;
  readonly db: Database;
  readonly strangerWorkspaceId: string;
  readonly close: () => Promise<void>;
}

export async function startEveryRow(): Promise<EveryRow> {
  const api = await startTestApi({ temporal: silentTemporal });
  const [owner, stranger, viewer] = [await api.signUp(), await api.signUp(), await api.signUp()];
  const { embed, ...made } = await things(owner);
  return {
    url: api.url,
    rows: allRoutes(routes, { version: '1', probes: {} }),
    workspaceId: owner.workspace.id,
    owner: `Bearer ${owner.token}`,
    admin: `Bearer ${ADMIN_TOKEN}`,
    embed: `Bearer ${embed}`,
    stranger: `Bearer ${stranger.token}`,
    weakest: {
      authorization: `Bearer ${await viewerToken(api, owner, viewer)}`,
      may: roleCapabilities.viewer,
    },
    refused: ['Bearer', 'Basic YTpi', 'Bearer forged.token.value', `Bearer ${await expired(owner)}`],
    existing: { ...made, ...(await stored(api, owner, made['definition_id'] ?? '')) },
    db: api.db,
    strangerWorkspaceId: stranger.workspace.id,
    close: api.close,
  };
}

/** A sign-in whose session's workspace is the owner's, with the least role there. */
async function viewerToken(api: TestApi, owner: Person, viewer: Person): Promise<string> {
  const workspace_id = owner.workspace.id;
  await api.db.insertInto('memberships').values({ user_id: viewer.userId, workspace_id, role: 'viewer' }).execute();
  await api.db.updateTable('sessions').set({ workspace_id }).where('user_id', '=', viewer.userId).execute();
  return viewer.token;
}

/** Of the right shape, signed by somebody else, and late. */
const expired = (person: Person): Promise<string> =>
  new SignJWT({ type: 'access', ws: person.workspace.id })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject(person.userId)
    .setIssuedAt(0)
    .setExpirationTime(1)
    .sign(new TextEncoder().encode('somebody else entirely, of 32 bytes'));

/** What no call of the API alone makes: a step of a run, a wait, and a large value. */
async function stored({ db }: TestApi, owner: Person, definitionId: string): Promise<Readonly<Record<string, string>>> {
  const run = { workspaceId: owner.workspace.id, runId: derivedId('run', newSeed()) };
  await seedRun(db, { run });
  await writeFlush(db, run, { ...noFlush, steps: [stepRecord('a', 1)] });
  const session = { workspaceId: owner.workspace.id, runId: derivedId('run', newSeed()) };
  await seedRun(db, { run: session, kind: 'workflow', isConversation: true });
  const message_id = derivedId('msg', newSeed());
  await seedMessage(db, { workspaceId: run.workspaceId, id: message_id });
  const call = { workspaceId: owner.workspace.id, runId: derivedId('run', newSeed()) };
  await seedRun(db, { run: call, kind: 'agent_dag', trigger: 'call', isConversation: true });
  await insertCall(db, call, { ...someCall, definitionId, roomName: `call-${call.runId}` });
  const value = await storeValue(db, run, { json: 'x'.repeat(100), limitBytes: 1 });
  const token = await openWaitOf(db, run);
  return {
    call_id: call.runId,
    runId: run.runId,
    session_id: session.runId,
    message_id,
    key: 'a/1',
    token,
    ref: 'ref' in value ? value.ref : '',
  };
}

/** Of no source, and for the sweep to leave alone. */
const seedMessage = (db: Database, ref: { readonly workspaceId: string; readonly id: string }) =>
  storeMessage(db, {
    ...ref,
    ...{ sourceId: null, definitionId: 'def_gone', providerId: null, headers: {}, query: {}, body: Buffer.from('{}') },
    ...{ contentType: '', ip: '', trigger: 'ingress', actor: 'webhook', status: 'ignored', reason: null },
  });

/** One of each kind in the owner's workspace. */
async function things(owner: Person): Promise<Readonly<Record<string, string>> & { readonly embed: string }> {
  const { id } = owner.workspace;
  const steps = [{ kind: 'trigger', label: 'In' }];
  await owner.call('POST', '/v1/workflow-chains', { body: { name: 'Mine', slug: 'mine', primary_steps: steps } });
  const node = { id: 'root_agent', type: 'instruction_agent', config: { instructions: 'Help.' } };
  const workflow = await owner.call('POST', '/v1/workflows', {
    body: { name: 'Mine', graph: { nodes: [node], edges: [] } },
  });
  const published = await owner.call('POST', `/v1/workflows/${String(workflow.body['id'])}/publish`);
  const agent_id = String(workflow.body['id']);
  const deployment = await owner.call('POST', `/v1/agents/${agent_id}/deployments`, {
    body: { channel: 'web', allowed_origins: [] },
  });
  const tool = await owner.call('POST', '/v1/workspace-tools', { body: { name: 'mine', url: 'https://example.com' } });
  await owner.call('POST', '/v1/secrets', { body: { name: 'MINE', value: 'not shown' } });
  await owner.call('POST', '/api/v1/tools', { body: { name: 'mine' } });
  await owner.call('POST', '/api/v1/agents', { body: { name: 'mine', config: { prompt: { system: 'Help.' } } } });
  const run = await owner.call('POST', '/v1/workflow-chains/mine/run');
  const approval = await owner.call('POST', `/workspaces/${id}/approvals`, { body: { action: 'mine' } });
  const schedule = await owner.call('POST', `/workspaces/${id}/schedules`, {
    body: { cron_expr: '0 9 * * *', prompt: 'mine' },
  });
  const helper = { name: 'mine', config: { prompt: { system: 'Help.' } } };
  await owner.call('POST', '/api/v1/agents', { body: helper });
  const nodes = [{ id: 'mine', agent_name: 'mine', is_entry: true, is_exit: true }];
  await owner.call('POST', '/api/v1/workflows', { body: { name: 'Mine', slug: 'mine', config: { nodes } } });
  const source = await owner.call('POST', '/v1/ingress-sources', {
    body: { name: 'Mine', provider: 'keelson', secret: 'ours', target: { event: { name: 'mine' } } },
  });
  const invited = await owner.call('POST', '/v1/members', { body: { email: 'guest@example.com', role: 'viewer' } });
  const endpoint = await owner.call('POST', '/v1/webhook-endpoints', {
    body: { url: 'https://example.com/hooks', event_types: ['run.*'] },
  });
  const endpoint_id = String(endpoint.body['id']);
  const delivery = await owner.call('POST', `/v1/webhook-endpoints/${endpoint_id}/test`);
  return {
    user_id: owner.userId,
    endpoint_id,
    delivery_id: String(delivery.body['id']),
    source_id: String(source.body['id']),
    invitation_id: String(invited.body['id']),
    slug: 'mine',
    agent_name: 'mine',
    tool_name: 'mine',
    workflow_key: 'mine',
    workflow_id: String(workflow.body['id']),
    definition_id: String(workflow.body['id']),
    embed: String(deployment.body['token']),
    agent_id,
    deployment_id: String(deployment.body['id']),
    version_id: String(published.body['version_id']),
    tool_id: String(tool.body['id']),
    name: 'MINE',
    run_id: String(run.body['run_id']),
    approvalId: String(approval.body['approval_id']),
    scheduleId: String(schedule.body['id']),
    tokenId: derivedId('wst', newSeed()),
  };
}
