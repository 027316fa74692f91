import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { paramNames } from '../../api/http/paths.js';
import type { Route } from '../../api/http/route.js';
import { operatorScopes, wantedScopes } from '../../api/services/scopes.js';
import { startEveryRow, type EveryRow } from '../support/every-row.js';
import { send, type Answered } from '../support/http.js';
import { sampleOf, type Schema } from '../support/sample.js';

/** Rows that answer for any parameter, so that no id is unknown to them. */
const takesAnyParameter = new Set(['schedules.history', 'serviceAccounts.revoke']);

const forOperators: ReadonlySet<string> = new Set(operatorScopes);
const unknownId = 'def_00000000000000000000000000';
let api: EveryRow;
let documents: readonly Schema[];

beforeAll(async () => {
  api = await startEveryRow();
  documents = await Promise.all(
    ['/openapi.json', '/openapi-3.1.json'].map(async (path) => (await send(api.url + path)).body),
  );
});
afterAll(() => api.close());

interface Attempt {
  readonly authorization?: string;
  readonly body?: unknown;
  /** By parameter; the workspace's own id stands for `:id` of workspace rows. */
  readonly params?: Readonly<Record<string, string>>;
}

function attempt(row: Route, { authorization, body, params = {} }: Attempt): Promise<Answered> {
  const path = row.path.replaceAll(/:(\w+)/g, (_, name: string) => {
    const isWorkspace = row.auth === 'workspace' && name === 'id';
    return encodeURIComponent(params[name] ?? (isWorkspace ? api.workspaceId : unknownId));
  });
  const hasBody = row.method !== 'GET' && body !== undefined;
  return send(api.url + path, {
    method: row.method,
    headers: {
      ...(authorization === undefined ? {} : { authorization }),
      ...(hasBody ? { 'content-type': 'application/json' } : {}),
    },
    ...(hasBody ? { body: JSON.stringify(body) } : {}),
  });
}

const authorised = (row: Route): { authorization?: string } => {
  if (row.auth === 'none') return {};
  if (row.auth === 'embed') return { authorization: api.embed };
  const isForOperators = wantedScopes(row.scope).some((scope) => forOperators.has(scope));
  return { authorization: row.auth === 'admin' || isForOperators ? api.admin : api.owner };
};

/** A body the row takes, made from its own description. */
function fitting(row: Route): unknown {
  if (row.body === undefined) return undefined;
  const [, document = {}] = documents;
  const operation = operationOf(document, row) as { requestBody: { content: Record<string, { schema: Schema }> } };
  return sampleOf(operation.requestBody.content['application/json']?.schema ?? {}, document);
}

function operationOf(document: Schema, row: Route): unknown {
  const paths = document['paths'] as Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  return paths[row.path.replaceAll(/:(\w+)/g, '{$1}')]?.[row.method.toLowerCase()];
}

const label = ({ method, path, id }: Route): string => `${id}: ${method} ${path}`;

/** All rows at fault at once: one list says more than the first failure. */
async function faults(
  rows: readonly Route[],
  check: (row: Route) => Promise<string | undefined>,
): Promise<readonly string[]> {
  const found: string[] = [];
  for (const row of rows) {
    const fault = await check(row);
    if (fault !== undefined) found.push(`${label(row)}: ${fault}`);
  }
  return found;
}

const unless = (isRight: boolean, { status, text }: Answered): string | undefined =>
  isRight ? undefined : `${status} ${text.slice(0, 200)}`;

const isEnvelope = ({ body }: Answered): boolean =>
  typeof body.error?.code === 'string' && Array.isArray(body.error.details) && body.detail !== undefined;

describe('every row', () => {
  test('refuses a caller without, or with a bad, credential', async () => {
    const guarded = api.rows.filter(({ auth }) => auth !== 'none');
    for (const authorization of [undefined, ...api.refused]) {
      const credentials = authorization === undefined ? {} : { authorization };
      const found = await faults(guarded, async (row) => {
        const answer = await attempt(row, { ...credentials, body: fitting(row) });
        return unless(answer.status === 401 && isEnvelope(answer), answer);
      });
      expect({ authorization, found }).toEqual({ authorization, found: [] });
    }
  });

  test('with a capability refuses an actor who lacks it', async () => {
    const { authorization, may } = api.weakest;
    const guarded = api.rows.filter(({ auth, can }) => auth !== 'admin' && can !== undefined && !may.has(can));
    expect(guarded.length).toBeGreaterThan(0);
    const found = await faults(guarded, async (row) => {
      const answer = await attempt(row, { authorization, body: fitting(row) });
      return unless(answer.status === 403 && isEnvelope(answer), answer);
    });
    expect(found).toEqual([]);
  });

  test('with an id answers 404 for one nobody knows', async () => {
    const found = await faults(idRows(), async (row) => {
      const answer = await attempt(row, { ...authorised(row), body: fitting(row) });
      return unless(answer.status === 404 && isEnvelope(answer), answer);
    });
    expect(found).toEqual([]);
  });

  test('with an id answers 404 for one of another workspace', async () => {
    const reachable = idRows().filter(
      ({ auth, path }) => auth === 'member' && paramNames(path).every((name) => name in api.existing),
    );
    const found = await faults(reachable, async (row) => {
      const answer = await attempt(row, { authorization: api.stranger, body: fitting(row), params: api.existing });
      return unless(answer.status === 404, answer);
    });
    expect(found).toEqual([]);
  });

  test('of a workspace stays shut to strangers', async () => {
    const rows = api.rows.filter(({ auth }) => auth === 'workspace');
    const found = await faults(rows, async (row) => {
      const answer = await attempt(row, { authorization: api.stranger, body: fitting(row), params: api.existing });
      return unless([401, 403, 404].includes(answer.status), answer);
    });
    expect(found).toEqual([]);
  });

  test('with a body refuses one that breaks its schema', async () => {
    const rows = api.rows.filter((row) => violation(row) !== undefined);
    expect(rows.length).toBeGreaterThan(0);
    const found = await faults(rows, async (row) => {
      const answer = await attempt(row, { ...authorised(row), body: violation(row) });
      const hasDetails = (answer.body.error?.details.length ?? 0) > 0;
      return unless(answer.status === (row.invalidStatus ?? 422) && isEnvelope(answer) && hasDetails, answer);
    });
    expect(found).toEqual([]);
  });

  test('is described in both documents', () => {
    for (const document of documents) {
      const missing = api.rows.filter(
        (row) => (operationOf(document, row) as Schema | undefined)?.['operationId'] !== row.id,
      );
      expect(missing.map(label)).toEqual([]);
    }
  });
});

/** Rows with a parameter besides the workspace, which must not find what is not there. */
const idRows = (): readonly Route[] =>
  api.rows.filter(({ id, auth, path }) => {
    const names = paramNames(path).filter((name) => !(auth === 'workspace' && name === 'id'));
    return names.length > 0 && !takesAnyParameter.has(id);
  });

function violation({ body }: Route): unknown {
  return body === undefined
    ? undefined
    : [{ no_such_field: [] }, [], 42].find((value) => !body.safeParse(value).success);
}
