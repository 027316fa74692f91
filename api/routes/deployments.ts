import { z } from 'zod';
import { Reply, route, type Route } from '../http/route.js';
import type { Json } from '../../workflows/definition/values.js';
import { Empty, JsonValue, Page, pageOf, Time } from '../http/schemas.js';

const shared = { tag: 'deployments', auth: 'member' } as const;
const at = '/v1/agents/:agent_id/deployments' as const;
const entity = 'deployment';
const MAX_THEME_BYTES = 8_192;

const Origin = z
  .string()
  .max(300)
  .refine(
    (text) => /^https?:\/\/[^*]+$/.test(text) && URL.canParse(text) && new URL(text).origin === text,
    'must be an exact origin such as https://shop.example.com: scheme, host and, where it is not the usual one, port; no path, no final slash, no *',
  );

const Theme = z.record(z.string().max(100), JsonValue);

const Deployment = z
  .object({
    id: z.string(),
    agent_id: z.string(),
    channel: z.string(),
    name: z.string().nullable(),
    allowed_origins: z.array(z.string()),
    theme: Theme,
    prefix: z.string().meta({ description: 'The first characters of its token' }),
    created_by: z.string(),
    created_at: Time,
    last_used_at: Time.nullable(),
  })
  .meta({ id: 'Deployment' });

const NewDeployment = z
  .strictObject({
    channel: z.string().regex(/^[a-z][a-z0-9_-]{0,39}$/, 'must be a short lower-case word such as web'),
    name: z.string().trim().min(1).max(100).optional(),
    allowed_origins: z
      .array(Origin)
      .max(50)
      .meta({ description: 'The only pages that may use the token; a call without an Origin is no page' }),
    theme: Theme.default({}).refine(
      (theme) => Buffer.byteLength(JSON.stringify(theme)) <= MAX_THEME_BYTES,
      `must be at most ${MAX_THEME_BYTES} bytes of JSON`,
    ),
  })
  .meta({
    id: 'NewDeployment',
    example: { channel: 'web', name: 'Shop', allowed_origins: ['https://shop.example.com'], theme: { color: '#0af' } },
  });

const noAgent = { 404: 'No such agent here.' };

/** `agent_id` names any conversational definition. Creating honours no Idempotency-Key: a replay would mean keeping the token. */
export const deploymentRoutes: readonly Route[] = [
  route({
    ...shared,
    id: 'deployments.list',
    method: 'GET',
    path: at,
    summary: 'Live deployments of an agent, newest first; tokens by their prefix only',
    can: 'deployment.read',
    query: Page,
    reply: pageOf(Deployment),
    errors: noAgent,
    handle: async ({ actor: { workspaceId }, params, query }, { deployments }) => ({
      ...(await deployments.list({ workspaceId, agent: params.agent_id }, query)),
      ...query,
    }),
  }),
  route({
    ...shared,
    id: 'deployments.create',
    method: 'POST',
    path: at,
    summary: 'Deploy an agent to a page; the plain text of the token is shown this once',
    can: 'deployment.write',
    audit: { entity },
    body: NewDeployment,
    status: 201,
    reply: Deployment.extend({ token: z.string() }).meta({ id: 'MintedDeployment' }),
    errors: { ...noAgent, 409: 'The name is taken, or the agent has 100 deployments' },
    handle: async ({ actor, params, body }, { deployments }) => {
      // -- reason: parsed JSON is JSON
      const theme = body.theme as Readonly<Record<string, Json>>;
      const made = await deployments.create(actor, params.agent_id, { ...body, theme });
      return new Reply(made, { status: 201, headers: { 'cache-control': 'no-store' } });
    },
  }),
  route({
    ...shared,
    id: 'deployments.revoke',
    method: 'DELETE',
    path: `${at}/:deployment_id`,
    summary: 'Revoke a deployment: its token stops working at once',
    can: 'deployment.write',
    audit: { entity },
    status: 204,
    reply: Empty,
    errors: { 404: 'Unknown, of another agent or workspace, or already revoked' },
    handle: async ({ actor: { workspaceId }, params }, { deployments }) => {
      await deployments.revoke({ workspaceId, agent: params.agent_id, deploymentId: params.deployment_id });
      return undefined;
    },
  }),
];
