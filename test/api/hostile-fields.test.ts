import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Route } from '../../api/http/route.js';
import { cronProblem } from '../../workflows/definition/cron-problem.js';
import { celProblem } from '../../workflows/definition/cel.js';
import { liquidProblem, renderLiquid } from '../../workflows/definition/liquid.js';
import { egressProblem, parseEgressRule } from '../../db/egress.js';
import { startEveryRow, type EveryRow } from '../support/every-row.js';
import { send } from '../support/http.js';
import { sampleOf, type Schema } from '../support/sample.js';

let api: EveryRow;
let document: Schema;

beforeAll(async () => {
  api = await startEveryRow();
  document = (await send(`${api.url}/openapi-3.1.json`)).body;
});
afterAll(() => api.close());

/** Of the kinds that make patterns and parsers of careless making go over the same text again and again. */
const adversarial = (length: number): readonly string[] => [
  'a'.repeat(length),
  `${'a'.repeat(length)}!`,
  `${'a.'.repeat(length / 2)}@`,
  `a@${'a.'.repeat(length / 2)}`,
  `a@${'a-'.repeat(length / 2)}!`,
  `${'@'.repeat(length)}.com`,
  ' '.repeat(length),
  `a${' '.repeat(length)}b`,
  '* '.repeat(length / 2),
  '1,'.repeat(length / 2),
  '1-'.repeat(length / 2),
  '*/'.repeat(length / 2),
  `https://${'a.'.repeat(length / 2)}`,
  `http://${'@'.repeat(length)}`,
  `http://a/${'%'.repeat(length)}`,
  '{{'.repeat(length / 2),
  `{{${' '.repeat(length)}`,
  `{{ a${' | b'.repeat(length / 4)}`,
  `{{ a${'.b'.repeat(length / 2)}`,
  '{% if a %}'.repeat(length / 10),
  '{{secret:'.repeat(length / 10),
  '('.repeat(length),
  '!'.repeat(length),
  '[1,'.repeat(length / 3),
  `1${'+1'.repeat(length / 2)}`,
  'a ? b : '.repeat(length / 8),
  `"${'\\'.repeat(length)}`,
  `contains:${' '.repeat(length)}`,
  '/'.repeat(length),
  'é'.normalize('NFD').repeat(length / 2),
  '\uFDFA'.repeat(length),
];

const isOpen = (row: Route): boolean => row.auth !== 'embed' && row.body !== undefined;

function schemaOf(row: Route): Schema {
  const paths = document['paths'] as Readonly<Record<string, Readonly<Record<string, Schema>>>>;
  const operation = paths[row.path.replaceAll(/:(\w+)/g, '{$1}')]?.[row.method.toLowerCase()] ?? {};
  const { content } = operation['requestBody'] as {
    readonly content: Readonly<Record<string, { readonly schema: Schema }>>;
  };
  return resolved(content['application/json']?.schema ?? {});
}

const resolved = (schema: Schema): Schema => {
  const { $ref, anyOf } = schema;
  const [choice] = (anyOf ?? []) as readonly Schema[];
  if (choice !== undefined) return resolved(choice);
  if (typeof $ref !== 'string') return schema;
  const [, ...keys] = $ref.split('/');
  return resolved(keys.reduce<Schema>((at, key) => (at[key] ?? {}) as Schema, document));
};

const propertiesOf = (schema: Schema): Readonly<Record<string, Schema>> =>
  (schema['properties'] ?? {}) as Readonly<Record<string, Schema>>;

const fitting = (row: Route): Readonly<Record<string, unknown>> => {
  const sample = sampleOf(schemaOf(row), document);
  return typeof sample === 'object' && sample !== null ? (sample as Readonly<Record<string, unknown>>) : {};
};

describe('long hostile texts are over in the time of a test', () => {
  const long = adversarial(100_000);
  test('in every text field of every row', () => {
    let checked = 0;
    for (const row of api.rows.filter(isOpen)) {
      const body = fitting(row);
      for (const name of Object.keys(propertiesOf(schemaOf(row)))) {
        for (const text of long) {
          row.body?.safeParse({ ...body, [name]: text });
          row.body?.safeParse({ ...body, [name]: [text] });
          row.body?.safeParse({ ...body, [name]: { [text]: text } });
          checked += 1;
        }
      }
      for (const text of long) row.query?.safeParse({ limit: text, cursor: text, q: text, status: text });
    }
    expect(checked).toBeGreaterThan(1_000);
  });

  test.each([
    ['cron', (text: string) => cronProblem(text, text)?.message ?? cronProblem(text, 'UTC')?.message ?? null],
    ['CEL', celProblem],
    ['Liquid', liquidProblem],
    ['an address', (text: string) => egressProblem(text, [])],
  ] as const)('in %s', (_name, check) => {
    for (const text of long) {
      const said = check(text);
      if (said !== null) expect(typeof said).toBe('string');
    }
  });

  test('in rules of egress and in templates that are rendered', () => {
    for (const text of long) {
      try {
        parseEgressRule(text);
      } catch (error) {
        expect(error).toBeInstanceOf(Error);
      }
      try {
        renderLiquid(text, { input: text, text, vars: {} });
        renderLiquid('{{ input | replace: " ", "  " | split: "a" | join: "b" | strip | truncatewords: 3 }}', {
          input: text,
        });
      } catch (error) {
        expect(error).toBeInstanceOf(Error);
      }
    }
  });

  test('over the socket, on rows that parse what they are given', async () => {
    const call = (path: string, body: object): Promise<number> =>
      send(api.url + path, {
        method: 'POST',
        headers: { authorization: api.owner, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      }).then(({ status }) => status);
    for (const text of adversarial(20_000)) {
      const statuses = [
        await call('/v1/auth/login', { email: text, password: 'x' }),
        await call('/v1/auth/signup', { email: text, password: text }),
        await call(`/workspaces/${api.workspaceId}/schedules`, { cron_expr: text, prompt: 'x', timezone: text }),
        await call('/v1/workspace-tools', { name: 'x', url: text }),
        await call('/v1/workflow-chains', {
          name: text,
          primary_steps: [{ kind: 'webhook', label: text, config: { url: text, secret: 'x' } }],
        }),
      ];
      expect(statuses.filter((status) => status >= 500)).toEqual([]);
    }
  });
});

/** What a caller would like to set for themselves. */
const extras: Readonly<Record<string, unknown>> = {
  id: 'usr_chosen',
  workspace_id: 'ws_chosen',
  workspaceId: 'ws_chosen',
  tenant_id: 'ten_chosen',
  tenantId: 'ten_chosen',
  user_id: 'usr_chosen',
  owner_id: 'usr_chosen',
  created_by: 'usr_chosen',
  role: 'owner',
  roles: ['owner'],
  member_role: 'owner',
  is_platform_admin: true,
  isAdmin: true,
  capabilities: ['run.admin'],
  scopes: ['*'],
  status: 'chosen',
  version_id: 'ver_chosen',
  live_version: 'ver_chosen',
  revision: 999_999,
  email_verified_at: '2020-01-01T00:00:00Z',
  mfa_enabled: true,
  password_hash: 'chosen',
  token_hash: 'chosen',
  rate_limit: 999_999,
  deleted_at: '2020-01-01T00:00:00Z',
  created_at: '2020-01-01T00:00:00Z',
};

/** Rows whose body is the caller's own data and nothing else. */
const takesAnything = (row: Route): boolean => Object.keys(propertiesOf(schemaOf(row))).length === 0;

describe('a field that a row does not name', () => {
  test('never reaches its handler', () => {
    const faults: string[] = [];
    let checked = 0;
    for (const row of api.rows.filter(isOpen)) {
      if (takesAnything(row)) continue;
      const named = propertiesOf(schemaOf(row));
      const added = Object.fromEntries(Object.entries(extras).filter(([name]) => !Object.hasOwn(named, name)));
      const parsed = row.body?.safeParse({ ...fitting(row), ...added });
      checked += 1;
      if (parsed?.success !== true) continue;
      const through = Object.keys(added).filter((name) => Object.hasOwn(parsed.data as object, name));
      if (through.length > 0) faults.push(`${row.id}: ${through.join(', ')}`);
    }
    expect(checked).toBeGreaterThan(30);
    expect(faults).toEqual([]);
  });

  test('changes nothing of others when every row is called with it', async () => {
    const before = await snapshot();
    const faults: string[] = [];
    for (const row of api.rows.filter((each) => isOpen(each) && each.auth !== 'admin')) {
      const path = row.path.replaceAll(/:(\w+)/g, (_, name: string) =>
        encodeURIComponent(
          (row.auth === 'workspace' && name === 'id' ? api.workspaceId : api.existing[name]) ?? 'none',
        ),
      );
      const aimed = {
        workspace_id: other.workspace,
        tenant_id: other.tenant,
        user_id: other.user,
        parent_id: other.workspace,
      };
      const answer = await send(api.url + path, {
        method: row.method,
        headers: { ...(row.auth === 'none' ? {} : { authorization: api.owner }), 'content-type': 'application/json' },
        body: JSON.stringify({ ...extras, ...aimed, ...fitting(row) }),
      });
      const isSaid = row.errors?.[answer.status] !== undefined;
      if (answer.status >= 500 && !isSaid) faults.push(`${row.id}: ${answer.status} ${answer.text.slice(0, 200)}`);
    }
    expect(faults).toEqual([]);
    expect(await snapshot()).toEqual(before);
  });
});

const other = { workspace: '', tenant: '', user: '' };

/** Everything that belongs to the other organisation, and everybody's rights. */
async function snapshot(): Promise<unknown> {
  const { db } = api;
  const admins = await db
    .selectFrom('users')
    .select(['id', 'is_platform_admin'])
    .where('is_platform_admin', '=', true)
    .execute();
  const stranger = await db
    .selectFrom('workspaces')
    .select(['id', 'tenant_id'])
    .where('id', '=', api.strangerWorkspaceId)
    .executeTakeFirstOrThrow();
  const members = await db
    .selectFrom('tenant_members')
    .selectAll()
    .where('tenant_id', '=', stranger.tenant_id)
    .execute();
  Object.assign(other, { workspace: stranger.id, tenant: stranger.tenant_id, user: members[0]?.user_id ?? '' });
  const owned = [
    'definitions',
    'secrets',
    'schedules',
    'runs',
    'workspace_tools',
    'memberships',
    'workspace_tokens',
  ] as const;
  const counts = await Promise.all(
    owned.map(async (table) => {
      const { count } = await db
        .selectFrom(table as 'definitions') // -- reason: each of them has a workspace
        .select((eb) => eb.fn.countAll<string>().as('count'))
        .where('workspace_id', '=', stranger.id)
        .executeTakeFirstOrThrow();
      return [table, count];
    }),
  );
  const workspaces = await db
    .selectFrom('workspaces')
    .select(['id', 'parent_id', 'name'])
    .where('tenant_id', '=', stranger.tenant_id)
    .execute();
  return { admins, members, counts, workspaces };
}
