import { z } from 'zod';
import { derivedId } from '../../db/ids.js';
import { ApiError, conflict, notFound } from '../../api/http/errors.js';
import { Empty, Page, pageOf, Time } from '../../api/http/schemas.js';
import { Reply, route, type Route } from '../../api/http/route.js';

const Thing = z.object({ id: z.string(), name: z.string(), created_at: Time }).meta({ id: 'Thing' });
const NewThing = z
  .strictObject({
    name: z.string().min(1).max(50).meta({ example: 'kettle' }),
    size: z.number().int().optional(),
    owner: z.object({ email: z.email() }).optional(),
    at: z.iso.datetime().optional(),
  })
  .meta({ id: 'NewThing' });

interface Tree {
  readonly label: string;
  readonly children: readonly Tree[];
}
const Tree: z.ZodType<Tree> = z.object({
  label: z.string(),
  get children() {
    return z.array(Tree);
  },
});

const thing = { id: 'def_1', name: 'kettle', created_at: new Date(0), secret_hash: 'do-not-show' };

/** Rows that use every part of the kit; `gate` lets a test hold a handler. */
export function kitRows(gate: {
  ran: number;
  open: Promise<void>;
  entered?: () => void;
  fail?: () => unknown;
}): readonly Route[] {
  const create = {
    method: 'POST',
    summary: 'Create a thing',
    tag: 'things',
    auth: 'member',
    can: 'workflow.write',
    idempotent: true,
    body: NewThing,
    reply: Thing,
    status: 201,
  } as const;
  return [
    route({
      id: 'things.list',
      method: 'GET',
      path: '/things',
      aliases: ['/v1/things'],
      summary: 'List things',
      tag: 'things',
      auth: 'member',
      can: 'workflow.read',
      query: Page,
      reply: pageOf(Thing),
      handle: ({ query }) => Promise.resolve({ items: [thing], total: 1, ...query }),
    }),
    route({
      id: 'things.get',
      method: 'GET',
      path: '/things/:thingId',
      summary: 'One thing',
      tag: 'things',
      auth: 'member',
      can: 'workflow.read',
      errors: { 404: 'No such thing.' },
      reply: Thing,
      handle: ({ params }) =>
        params.thingId === thing.id ? Promise.resolve(thing) : Promise.reject(notFound('thing', params.thingId)),
    }),
    route({
      id: 'things.count',
      method: 'GET',
      path: '/things/count',
      summary: 'How many',
      tag: 'things',
      auth: 'none',
      rate: 'public',
      reply: z.object({ count: z.number() }),
      handle: () => Promise.resolve({ count: 1 }),
    }),
    route({
      id: 'things.shared',
      method: 'GET',
      path: '/shared-things',
      summary: 'Things that two surfaces show',
      tag: 'things',
      auth: 'tenant',
      scope: ['agents:read', 'conversations:read'],
      reply: z.object({ count: z.number() }),
      handle: () => Promise.resolve({ count: 1 }),
    }),
    route({
      ...create,
      id: 'things.create',
      path: '/things',
      handle: async ({ body, seed }) => {
        gate.ran += 1;
        gate.entered?.();
        await gate.open;
        const failure = gate.fail?.();
        if (failure !== undefined) throw failure;
        return { ...thing, id: derivedId('def', seed), name: body.name };
      },
    }),
    route({
      ...create,
      id: 'things.legacy',
      path: '/legacy-things',
      invalidStatus: 400,
      audit: { action: 'thing.imported', entity: 'thing' },
      handle: () =>
        Promise.resolve(
          new Reply(thing, {
            headers: { Location: '/things/def_1' },
            cookies: [{ name: 'seen', value: 'a b', path: '/things', maxAgeSeconds: 60 }],
          }),
        ),
    }),
    route({
      id: 'things.remove',
      method: 'DELETE',
      path: '/things/:thingId',
      summary: 'Remove a thing',
      tag: 'things',
      auth: 'member',
      can: 'workflow.publish',
      status: 204,
      errors: { 404: 'No such thing.' },
      reply: Empty,
      handle: ({ params }) =>
        params.thingId === thing.id ? Promise.resolve(undefined) : Promise.reject(notFound('thing', params.thingId)),
    }),
    route({
      id: 'things.echo',
      method: 'POST',
      path: '/echo/:token',
      summary: 'What came',
      tag: 'things',
      auth: 'none',
      rate: 'public',
      idempotent: true,
      audit: false,
      accepts: ['text/plain', 'application/x-www-form-urlencoded'],
      bodyLimit: 1000,
      body: z.unknown(),
      reply: z.object({ raw: z.string(), body: z.unknown() }),
      handle: ({ rawBody, body }) => Promise.resolve({ raw: rawBody.toString('hex'), body: body ?? null }),
    }),
    route({
      id: 'things.broken',
      method: 'GET',
      path: '/broken/:how',
      summary: 'Fails',
      tag: 'things',
      auth: 'none',
      reply: z.object({ id: z.string() }),
      // -- reason: the test wants a handler that breaks its own promise
      handle: ({ params }) =>
        params.how === 'reply' ? Promise.resolve({} as { id: string }) : Promise.reject(failures[params.how]),
    }),
    route({
      id: 'auth.try',
      method: 'POST',
      path: '/auth/try',
      summary: 'A sign-in',
      tag: 'things',
      auth: 'none',
      rate: 'auth',
      body: z.object({ password: z.string() }),
      reply: z.object({ ok: z.boolean() }),
      handle: () => Promise.resolve({ ok: true }),
    }),
    route({
      id: 'trees.create',
      method: 'POST',
      path: '/trees',
      summary: 'A recursive body',
      tag: 'things',
      auth: 'member',
      can: 'workflow.write',
      body: Tree,
      reply: z.object({ label: z.string() }),
      handle: ({ body }) => Promise.resolve({ label: body.label }),
    }),
  ];
}

const coded = (message: string, code: string | number): Error => Object.assign(new Error(message), { code });

const failures: Readonly<Record<string, unknown>> = {
  unknown: new Error('password=hunter2 at secret-host'),
  text: 'just a text',
  unique: Object.assign(coded('duplicate key', '23505'), { detail: 'Key (email)=(a@b.c) already exists.' }),
  refused: coded('connect ECONNREFUSED 10.0.0.1:5432', 'ECONNREFUSED'),
  pool: new Error('timeout exceeded when trying to connect'),
  temporal: new Error('Failed to start', { cause: coded('14 UNAVAILABLE', 14) }),
  conflict: conflict('Not ready.', { blockers: ['no_trigger'] }),
  teapot: new ApiError(502, 'The provider said no.'),
};
