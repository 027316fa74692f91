import { z } from 'zod';
import type { Json } from '../../workflows/definition/values.js';
import { route, type Route } from '../http/route.js';
import { JsonValue, Time } from '../http/schemas.js';

const shared = { tag: 'public', auth: 'embed', audit: false } as const;
const at = '/v1/public/runtime/sessions' as const;

const Turn = z
  .object({
    session_id: z.string(),
    messages: z.array(
      z.object({ role: z.enum(['user', 'assistant']), text: z.string(), at: Time.nullable().optional() }),
    ),
    state: z.enum(['awaiting_input', 'working', 'ended']).meta({
      description:
        'working: a step, a clock or somebody else moves it on; read the session again to see what came of it',
    }),
  })
  .meta({ id: 'PublicTurn' });

const NewSession = z
  .strictObject({ variables: z.record(z.string(), JsonValue).default({}) })
  .default({ variables: {} })
  .meta({ id: 'NewPublicSession', example: { variables: { page: '/prices' } } });

const TurnBody = z
  .strictObject({ message: z.string().trim().min(1).max(20_000) })
  .meta({ id: 'NewPublicTurn', example: { message: 'Where is my order?' } });

const notAllowed = { 403: 'The Origin is none of the allowed_origins' };
const tooMany = { 429: 'Too many requests of this token: 60 a minute, or rpm_cap_per_agent of its workspace' };

/**
 * The runtime as pages see it, with a deployment's token. Starting honours no Idempotency-Key: the visitors of a page share
 * its token, and one who repeated another's key would be given the other's session.
 */
export const publicRuntimeRoutes: readonly Route[] = [
  route({
    ...shared,
    id: 'publicSessions.start',
    method: 'POST',
    path: at,
    summary: 'Begin a conversation with what the deployment opens, as it is published',
    body: NewSession,
    status: 201,
    reply: Turn,
    errors: { ...notAllowed, ...tooMany, 404: 'What it opened was deleted', 409: 'Nothing is published' },
    handle: async ({ actor, body, seed }, { publicSessions }) => {
      // -- reason: parsed JSON is JSON
      const variables = body.variables as Readonly<Record<string, Json>>;
      return publicSessions.start(actor, { variables, seed });
    },
  }),
  route({
    ...shared,
    id: 'publicSessions.turn',
    method: 'POST',
    path: `${at}/:session_id/turns`,
    summary: 'Say something in a conversation of this deployment; a repeated Idempotency-Key is one turn',
    idempotent: true,
    body: TurnBody,
    reply: Turn,
    errors: {
      ...notAllowed,
      ...tooMany,
      404: 'No session of this deployment',
      409: 'The session has ended, or nobody listens in it now',
    },
    handle: ({ actor, params, body: { message }, seed }, { publicSessions }) =>
      publicSessions.turn(actor, { sessionId: params.session_id, message, seed }),
  }),
  route({
    ...shared,
    id: 'publicSessions.get',
    method: 'GET',
    path: `${at}/:session_id`,
    summary: 'Read a whole conversation of this deployment',
    reply: Turn,
    errors: { ...notAllowed, ...tooMany, 404: 'No session of this deployment' },
    handle: ({ actor, params }, { publicSessions }) => publicSessions.get(actor, params.session_id),
  }),
];
