import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { eventStreamType, type Route } from '../../api/http/route.js';
import { routes } from '../../api/routes/index.js';
import { allRoutes } from '../../api/server.js';
import { hasScope, wantedScopes } from '../../api/services/scopes.js';
import { atLeast } from '../../api/services/roles.js';
import { startTestApi, type Person, type TestApi } from '../support/api.js';
import { everyCredential, type Credential } from '../support/credentials.js';
import { send, type Answered } from '../support/http.js';
import { silentTemporal } from '../support/silent-temporal.js';

// Every guarded row with every kind of credential: the right code each.

// some thousands of requests
jest.setTimeout(180_000);

let api: TestApi;
let owner: Person;
let credentials: readonly Credential[];
const rows = allRoutes(routes, { version: '1', probes: {} }).filter(({ auth }) => auth !== 'none');

beforeAll(async () => {
  api = await startTestApi({ temporal: silentTemporal });
  owner = await api.signUp();
  credentials = await everyCredential({ api, owner, stranger: await api.signUp() });
});
afterAll(() => api.close());

/** The status the rules ask for; undefined where the row is open to the credential. */
function refusalOf(row: Route, held: Credential): number | undefined {
  if (!held.opens.has(row.auth)) return isKnown(row, held) ? 403 : 401;
  if (held.isForeign === true && row.auth === 'workspace') return held.name === 'a stranger' ? 404 : 401;
  const mayDo = row.can === undefined || held.may.has(row.can);
  return mayDo && hasRole(row, held) && isInScope(row, held) ? undefined : 403;
}

const hasRole = ({ role }: Route, held: Credential): boolean =>
  role === undefined || (held.role !== null && atLeast(held.role, role));

const isInScope = ({ scope }: Route, { scopes }: Credential): boolean =>
  scope === undefined || scopes.has('*') || wantedScopes(scope).some((each) => hasScope(scopes, each));

/** A person on an operator's row, and the operator on a member's, are known but may not. */
const isKnown = ({ auth }: Route, { name, opens }: Credential): boolean =>
  (auth === 'admin' && opens.has('tenant') && opens.has('member') && !name.includes('key')) ||
  (auth === 'member' && name === 'ADMIN_TOKEN');

function ask(row: Route, { headers }: Credential): Promise<Answered> {
  const path = row.path.replaceAll(/:(\w+)/g, (_, name: string) =>
    row.auth === 'workspace' && name === 'id' ? owner.workspace.id : 'def_00000000000000000000000000',
  );
  const hasBody = row.method !== 'GET';
  return send(api.url + path, {
    method: row.method,
    headers: { ...headers, ...(hasBody ? { 'content-type': 'application/json' } : {}) },
    ...(hasBody ? { body: '{}' } : {}),
  });
}

const label = ({ method, path }: Route): string => `${method} ${path}`;

/** Some requests at a time: the rows are many. */
async function faultsOf(
  chosen: readonly Route[],
  check: (row: Route) => Promise<string | undefined>,
): Promise<readonly string[]> {
  const found: string[] = [];
  const left = [...chosen];
  const work = async (): Promise<void> => {
    for (let row = left.pop(); row !== undefined; row = left.pop()) {
      const fault = await check(row);
      if (fault !== undefined) found.push(`${label(row)}: ${fault}`);
    }
  };
  await Promise.all(Array.from({ length: 6 }, work));
  return found.toSorted();
}

describe('every row', () => {
  test('refuses every credential that is not worth it, with the right code and the one envelope', async () => {
    const found: string[] = [];
    let asked = 0;
    for (const held of credentials) {
      const refused = rows.filter((row) => refusalOf(row, held) !== undefined);
      asked += refused.length;
      const faults = await faultsOf(refused, async (row) => {
        const answer = await ask(row, held);
        const expected = refusalOf(row, held);
        const isEnvelope = typeof answer.body.error?.code === 'string' && answer.body.detail !== undefined;
        return answer.status === expected && isEnvelope ? undefined : `${answer.status}, not ${expected}`;
      });
      found.push(...faults.map((fault) => `${held.name}: ${fault}`));
    }
    expect(found).toEqual([]);
    expect(asked).toBeGreaterThan(rows.length * 15);
  });

  test('that reads lets in every credential that is worth it', async () => {
    const found: string[] = [];
    for (const held of credentials) {
      const open = rows.filter(
        (row) => row.method === 'GET' && row.produces !== eventStreamType && refusalOf(row, held) === undefined,
      );
      const faults = await faultsOf(open, async (row) => {
        const { status, text } = await ask(row, held);
        // a row that says when it answers 403 may have reasons of its own
        const isRefused = status === 401 || (status === 403 && row.errors?.[403] === undefined);
        return isRefused || status >= 500 ? `${status} ${text.slice(0, 160)}` : undefined;
      });
      found.push(...faults.map((fault) => `${held.name}: ${fault}`));
    }
    expect(found).toEqual([]);
  });

  test('says 401 in one way for all that is no credential: nothing tells which part was wrong', async () => {
    const bad = credentials.filter(({ opens, name }) => opens.size === 0 && name !== 'nothing');
    for (const auth of ['user', 'member', 'workspace', 'tenant', 'admin'] as const) {
      const row =
        rows.find((candidate) => candidate.auth === auth && candidate.method === 'GET') ??
        rows.find((candidate) => candidate.auth === auth);
      if (row === undefined) continue;
      const texts = new Set<string>();
      for (const held of bad.filter(({ headers }) => /bearer \S/i.test(headers['authorization'] ?? ''))) {
        texts.add((await ask(row, held)).text);
      }
      expect({ auth, texts: texts.size }).toEqual({ auth, texts: 1 });
    }
  });
});
