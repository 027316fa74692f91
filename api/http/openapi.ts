import type { z } from 'zod';
import type { Auth } from '../actor.js';
import { wantedScopes, type WantedScope } from '../services/scopes.js';
import { paramNames } from './paths.js';
import { createSchemaWriter, type JsonObject, type OpenApiVersion, type SchemaWriter } from './openapi-schema.js';
import { eventStreamType, type Route } from './route.js';

/** The document that describes every row; made once, at start. */
export function openApiDocument(
  routes: readonly Route[],
  info: { openapi: OpenApiVersion; version: string },
): JsonObject {
  const schemas = createSchemaWriter(info.openapi);
  const paths: Record<string, JsonObject> = {};
  for (const row of routes) {
    for (const [index, path] of [row.path, ...(row.aliases ?? [])].entries()) {
      const operationId = index === 0 ? row.id : `${row.id}.alias${index}`;
      const url = path.replaceAll(/:(\w+)/g, '{$1}');
      paths[url] = { ...paths[url], [row.method.toLowerCase()]: operation({ row, path, operationId }, schemas) };
    }
  }
  return {
    openapi: info.openapi,
    info: {
      title: 'Keelson',
      version: info.version,
      description: 'Durable workflows for conversations, calls and agents.',
      license: { name: 'Apache-2.0', url: 'https://www.apache.org/licenses/LICENSE-2.0' },
    },
    servers: [{ url: '/' }],
    tags: [...new Set(routes.map(({ tag }) => tag))].toSorted().map((name) => ({ name })),
    paths,
    components: { schemas: { ...schemas.components, Error: errorSchema }, securitySchemes, responses },
  };
}

interface Door {
  readonly row: Route;
  readonly path: string;
  readonly operationId: string;
}

function operation({ row, path, operationId }: Door, schemas: SchemaWriter): JsonObject {
  const parameters = [...pathParameters(path), ...headerParameters(row), ...queryParameters(row, schemas)];
  return {
    operationId,
    summary: row.summary,
    tags: [row.tag],
    ...rights(row),
    security: security[row.auth],
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(row.body === undefined ? {} : { requestBody: requestBody({ ...row, body: row.body }, schemas) }),
    responses: { [row.status ?? 200]: success(row, schemas), ...failures(row) },
    ...socketFrames(row, schemas),
  };
}

/** What goes over a WebSocket once it is open, which OpenAPI itself cannot say. */
function socketFrames({ id, socket }: Route, schemas: SchemaWriter): JsonObject {
  if (socket === undefined) return {};
  return {
    'x-websocket': {
      sent: schemas.write(socket.sent, 'input', `${id}.sent`),
      received: schemas.write(socket.received, 'output', `${id}.received`),
    },
  };
}

/** What the caller must hold, in words. */
function rights({ can, scope, role, mfa, verified }: Route): { readonly description?: string } {
  const needs = [
    ...(can === undefined ? [] : [`the capability \`${can}\``]),
    ...(scope === undefined ? [] : [`the scope ${inWords(scope)}`]),
    ...(role === undefined ? [] : [`the role \`${role}\` in the organisation`]),
    ...(mfa === 'sensitive' ? ['a second factor where the organisation asks for one'] : []),
    ...(verified === true ? ['a proved e-mail address'] : []),
  ];
  return needs.length === 0 ? {} : { description: `Needs ${needs.join(', ')}.` };
}

const inWords = (scope: WantedScope): string =>
  wantedScopes(scope)
    .map((each) => `\`${each}\``)
    .join(' or ');

const bearerOrKey = [{ bearer: [] }, { apiKey: [] }];
const security: Readonly<Record<Auth, readonly JsonObject[]>> = {
  none: [],
  user: bearerOrKey,
  member: bearerOrKey,
  workspace: bearerOrKey,
  tenant: bearerOrKey,
  embed: [{ bearer: [] }],
  admin: [{ bearer: [] }],
};

const pathParameters = (path: string): readonly JsonObject[] =>
  paramNames(path).map((name) => ({ name, in: 'path', required: true, schema: { type: 'string' } }));

function headerParameters(row: Route): readonly JsonObject[] {
  const header = (name: string, description: string, schema: JsonObject = { type: 'string' }): JsonObject => ({
    name,
    in: 'header',
    required: false,
    description,
    schema,
  });
  return [
    ...(row.produces === eventStreamType
      ? [header('Last-Event-ID', 'The id of the last message seen: the stream goes on behind it.')]
      : []),
    ...(row.auth === 'member' || row.auth === 'tenant'
      ? [header('X-Workspace-Id', 'The workspace to act in; default the one of the session.')]
      : []),
    ...(row.auth === 'tenant'
      ? [
          header('X-Tenant-Id', 'The organisation the credential belongs to; any other is refused.'),
          header('X-Tenant-Role', 'A weaker role to act with.', {
            type: 'string',
            enum: ['owner', 'admin', 'developer', 'editor', 'member', 'viewer'],
          }),
        ]
      : []),
    ...(row.idempotent
      ? [
          header('Idempotency-Key', 'The same key and body answer the same again, without running twice.', {
            type: 'string',
            minLength: 1,
            maxLength: 255,
          }),
        ]
      : []),
  ];
}

function queryParameters(row: Route, schemas: SchemaWriter): readonly JsonObject[] {
  if (row.query === undefined) return [];
  const { properties, required } = schemas.write(row.query, 'input', `${row.id}.query`);
  const needed = (required ?? []) as readonly string[];
  return Object.entries((properties ?? {}) as Record<string, JsonObject>).map(([name, schema]) => ({
    name,
    in: 'query',
    required: needed.includes(name),
    schema,
  }));
}

function requestBody(row: Route & { readonly body: z.ZodType }, schemas: SchemaWriter): JsonObject {
  const schema = schemas.write(row.body, 'input', `${row.id}.body`);
  const text = { schema: { type: 'string' } };
  return {
    required: !row.body.safeParse(undefined).success && !row.body.safeParse({}).success,
    content: {
      'application/json': { schema },
      ...Object.fromEntries((row.accepts ?? []).map((type) => [type, type === 'text/plain' ? text : { schema }])),
    },
  };
}

function success(row: Route, schemas: SchemaWriter): JsonObject {
  const status = row.status ?? 200;
  const description = status === 204 ? 'Done; no body.' : row.summary;
  if (status === 204) return { description };
  if (row.socket !== undefined) return { description: `${description} (frames: x-websocket)` };
  const isStream = row.produces === eventStreamType;
  const isJson = row.produces === undefined;
  const schema = isJson || isStream ? schemas.write(row.reply, 'output', `${row.id}.reply`) : sentAsItStands(row);
  const of = isStream ? ' (Server-Sent Events; the schema is that of the data of one message)' : '';
  return {
    description: description + of,
    content: Object.fromEntries(typesOf(row).map((type) => [type, { schema }])),
  };
}

const sentAsItStands = ({ produces }: Route): JsonObject =>
  produces === 'application/json' ? { type: 'object' } : { type: 'string' };

function ofInput({ body, query, path, method, idempotent }: Route): readonly number[] {
  const hasParams = paramNames(path).length > 0;
  return [
    ...(body === undefined ? [] : [400, 415]),
    ...(method === 'GET' ? [] : [413]),
    ...(hasParams ? [404] : []),
    ...(hasParams || idempotent === true || body !== undefined || query !== undefined ? [422] : []),
  ];
}

const typesOf = ({ produces = 'application/json' }: Route): readonly string[] =>
  [produces].flat().map((type) => type.split(';')[0] ?? type);

/** What every row may answer for its auth, body and limits, and what it says itself. */
function failures(row: Route): JsonObject {
  const shared = [
    ...ofInput(row),
    ...(row.auth === 'none' ? [] : [401, 403]),
    ...(row.idempotent ? [409] : []),
    429,
    431,
    500,
    503,
  ];
  const known = Object.fromEntries(shared.map((status) => [status, { $ref: `#/components/responses/Error${status}` }]));
  const own = Object.entries(row.errors ?? {})
    .filter(([status]) => Number(status) !== (row.status ?? 200))
    .map(([status, description]) => [status, { description, content: errorContent }]);
  return { ...known, ...Object.fromEntries(own) };
}

const errorContent = { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } };

const sharedErrors: Readonly<Record<number, string>> = {
  400: 'The body is not valid JSON or UTF-8, or a field is wrong.',
  401: 'No credential, or one that is not valid or has expired.',
  403: 'The caller lacks the capability or is no member of the workspace.',
  404: 'There is no such thing here; what belongs to others is not here either.',
  409: 'The Idempotency-Key was used for another request, or its first request is still running.',
  413: 'The body is larger than the route takes.',
  415: 'The content type is not one the route takes.',
  422: 'A field, query parameter or header breaks its rule; `details` names each.',
  429: 'Too many requests; `Retry-After` says when to come back.',
  431: 'The request line and headers are larger than 16 KiB.',
  500: 'Something failed on our side.',
  503: 'A service behind the API does not answer; try again.',
};

const responses = Object.fromEntries(
  Object.entries(sharedErrors).map(([status, description]) => [
    `Error${status}`,
    { description, content: errorContent },
  ]),
);

const errorSchema = {
  type: 'object',
  required: ['error', 'detail'],
  properties: {
    error: {
      type: 'object',
      required: ['code', 'message', 'details'],
      properties: {
        code: { type: 'string', example: 'not_found' },
        message: { type: 'string' },
        details: {
          type: 'array',
          items: {
            type: 'object',
            required: ['field', 'message'],
            properties: { field: { type: 'string' }, message: { type: 'string' } },
          },
        },
      },
    },
    detail: { description: 'The message again or, for a 422, a list of `{loc, msg, type}`.' },
  },
};

const securitySchemes = {
  bearer: {
    type: 'http',
    scheme: 'bearer',
    description:
      "An access token of a sign-in, an API key, a token of a workspace, an organisation, a service account or a deployment, or the administrator's token; each row says by its 401 which it takes.",
  },
  apiKey: {
    type: 'apiKey',
    in: 'header',
    name: 'X-API-Key',
    description: 'An API key: `as_live_...` or `as_test_...`.',
  },
};
