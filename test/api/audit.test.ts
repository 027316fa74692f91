import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ADMIN_TOKEN, startTestApi, type Person, type TestApi } from '../support/api.js';
import { send } from '../support/http.js';
import { silentTemporal } from '../support/silent-temporal.js';

let api: TestApi;
let ana: Person;
let bob: Person;

beforeAll(async () => {
  api = await startTestApi({ temporal: silentTemporal });
  [ana, bob] = [await api.signUp(), await api.signUp()];
}, 60_000);
afterAll(() => api.close());

interface Entry {
  readonly seq: number;
  readonly action: string;
  readonly ip: string | null;
  readonly actor_id: string;
  // oxlint-disable-next-line typescript/no-explicit-any -- reason: what was there has every shape
  readonly before: any;
  // oxlint-disable-next-line typescript/no-explicit-any -- reason: as above
  readonly after: any;
  readonly hash: string;
}

async function entries(query = '', person = ana): Promise<readonly Entry[]> {
  const { body } = await person.call('GET', `/v1/audit?limit=100${query}`);
  return body['items'] as readonly Entry[];
}

const newest = async (action: string): Promise<Entry> => {
  const [entry] = await entries(`&action=${action}`);
  if (entry === undefined) throw new Error(`no entry says ${action}`);
  return entry;
};

const newWorkflow = async (): Promise<string> => {
  const graph = { nodes: [{ id: 'root', type: 'instruction_agent', config: { instructions: 'Help.' } }], edges: [] };
  const made = await ana.call('POST', '/v1/workflows', { body: { name: 'Mine', graph } });
  return String(made.body['id']);
};

describe('an entry', () => {
  test('of something new shows it, with who made it and from where', async () => {
    const id = await newWorkflow();
    const entry = await newest('workflows.create');
    expect(entry).toMatchObject({ before: null, after: { id, name: 'Mine' }, actor_id: ana.userId });
    expect(entry.ip).toMatch(/127\.0\.0\.1$/);
  });

  test('of a change shows what was there before and after', async () => {
    const id = await newWorkflow();
    await ana.call('PATCH', `/v1/workflows/${id}`, { body: { name: 'Renamed' } });
    expect(await newest('workflows.change')).toMatchObject({ before: { name: 'Mine' }, after: { name: 'Renamed' } });
  });

  test('of an action shows the thing it was done to', async () => {
    const id = await newWorkflow();
    await ana.call('POST', `/v1/workflows/${id}/publish`);
    const { before, after } = await newest('workflows.publish');
    expect(before).toMatchObject({ id });
    expect(after).toMatchObject({ id });
    expect(after).not.toEqual(before);
  });

  test('of a removal shows what was removed, also where only a list shows it', async () => {
    const id = await newWorkflow();
    await ana.call('DELETE', `/v1/workflows/${id}`);
    expect(await newest('workflows.delete')).toMatchObject({ before: { id, name: 'Mine' }, after: null });
    const place = `/workspaces/${ana.workspace.id}/tokens`;
    await ana.call('POST', place);
    const { tokens } = (await ana.call('GET', place)).body as unknown as {
      readonly tokens: readonly { readonly id: string }[];
    };
    await ana.call('DELETE', `${place}/${tokens[0]?.id}`);
    expect(await newest('tokens.revoke')).toMatchObject({ before: { id: tokens[0]?.id }, after: null });
  });

  test('never shows a secret', async () => {
    await ana.call('POST', '/v1/secrets', { body: { name: 'MAIL', value: 'correct horse battery' } });
    const headers = { Authorization: 'Bearer live-and-secret', Accept: 'text/plain' };
    await ana.call('POST', '/v1/workspace-tools', { body: { name: 'mail', url: 'https://example.com', headers } });
    const minted = await ana.call('POST', `/workspaces/${ana.workspace.id}/tokens`);
    const token = String(minted.body['auth_token'] ?? minted.body['token']);
    expect(token.length).toBeGreaterThan(20);
    const { text } = await ana.call('GET', '/v1/audit?limit=100');
    for (const secret of ['correct horse', 'live-and-secret', token, token.slice(6)])
      expect(text).not.toContain(secret);
    expect((await newest('tools.create')).after).toMatchObject({
      headers: { Authorization: '[redacted]', Accept: 'text/plain' },
    });
  });

  test('says of a large part only its size and hash, which differ when the part does', async () => {
    const id = await newWorkflow();
    const put = (letter: string) => {
      const config = { instructions: letter.repeat(20_000) };
      const graph = { nodes: [{ id: 'root', type: 'instruction_agent', config }], edges: [] };
      return ana.call('PUT', `/v1/workflows/${id}/graph`, { body: graph });
    };
    expect((await put('a')).status).toBe(200);
    expect((await put('b')).status).toBe(200);
    const { before, after } = await newest('workflows.graph');
    for (const shown of [before, after]) {
      expect(JSON.stringify(shown).length).toBeLessThan(20_000);
      expect(JSON.stringify(shown)).toContain('"cut_bytes":');
    }
    expect(after).not.toEqual(before);
  });

  test('that a service writes says where it came from too', async () => {
    const place = `/workspaces/${ana.workspace.id}/approvals`;
    await ana.call('POST', place, { body: { action: 'Delete it', reason: 'cost' } });
    const entry = await newest('APPROVAL_REQUESTED');
    expect(entry.ip).toMatch(/127\.0\.0\.1$/);
    expect(entry).toMatchObject({ before: null, after: { action: 'Delete it', status: 'pending' } });
  });

  test('is not written of a change that was refused', async () => {
    const before = await entries();
    await ana.call('PATCH', '/v1/workflows/def_none', { body: { name: 'X' } });
    await ana.call('POST', '/v1/secrets', { body: { name: 'lower', value: 'x' } });
    expect(await entries()).toHaveLength(before.length);
  });

  test('of a failed sign-in names no address that was tried', async () => {
    await send(`${api.url}/v1/auth/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ email: 'my-password-by-mistake@example.com', password: 'x' }),
    });
    const row = await api.db
      .selectFrom('audit_events')
      .selectAll()
      .where('chain', '=', 'platform')
      .orderBy('seq', 'desc')
      .executeTakeFirstOrThrow();
    expect(row).toMatchObject({ action: 'auth.login_failed', entity_id: 'unknown' });
    expect(row.ip).toMatch(/127\.0\.0\.1$/);
    expect(JSON.stringify(row)).not.toContain('by-mistake');
  });
});

describe('the list', () => {
  test('has the newest first, without a gap', async () => {
    const all = await entries();
    const seqs = all.map(({ seq }) => seq);
    expect(seqs).toEqual(Array.from(seqs, (_, index) => seqs.length - index));
    expect(new Set(all.map(({ hash }) => hash)).size).toBe(all.length);
  });

  test('is filtered by who and when', async () => {
    expect((await entries(`&actor_id=${ana.userId}`)).length).toBeGreaterThan(0);
    expect(await entries('&actor_id=usr_nobody')).toEqual([]);
    expect(await entries('&since=2999-01-01')).toEqual([]);
    expect((await entries('&until=2999-01-01T00:00:00Z')).length).toBe((await entries()).length);
    const refused = await ana.call('GET', '/v1/audit?since=yesterday');
    expect(refused).toMatchObject({ status: 422 });
    expect(refused.body.error?.details).toEqual([
      { field: 'query.since', message: expect.stringContaining('2026-01-31') },
    ]);
  });

  test('is of one workspace', async () => {
    expect((await entries('', bob)).every(({ actor_id }) => actor_id === bob.userId)).toBe(true);
  });
});

describe('the export', () => {
  test('as CSV has every entry in order and no formula', async () => {
    await ana.call('POST', '/v1/workspace-tools', {
      body: { name: 'sums', url: 'https://example.com', description: '=HYPERLINK("https://evil.example")' },
    });
    await ana.call('DELETE', '/v1/secrets/MAIL');
    const { status, text, headers } = await ana.call('GET', '/v1/audit/export');
    expect(status).toBe(200);
    expect(headers.get('content-type')).toBe('text/csv; charset=utf-8');
    expect(headers.get('content-disposition')).toBe(`attachment; filename="audit-${ana.workspace.id}.csv"`);
    const lines = text.trimEnd().split('\r\n');
    expect(lines[0]).toMatch(/^seq,id,created_at,actor_type,actor_id,ip,action,/);
    const seqs = lines.slice(1).map((line) => Number(line.split(',')[0]));
    expect(seqs).toEqual(seqs.map((_, index) => index + 1));
    expect(seqs).toHaveLength((await entries()).length);
    expect(text).not.toMatch(/(^|,)"?[=+@]/m);
  });

  test('as JSON lines has every entry whole, through the filters', async () => {
    const { text, headers } = await ana.call('GET', '/v1/audit/export?format=jsonl&action=workflows.change');
    expect(headers.get('content-type')).toBe('application/x-ndjson');
    const rows = text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(rows).toEqual([
      expect.objectContaining({ action: 'workflows.change', before: expect.objectContaining({ name: 'Mine' }) }),
    ]);
    expect(rows[0]).toHaveProperty('prev_hash');
    const none = await ana.call('GET', '/v1/audit/export?format=jsonl&action=none');
    expect(none).toMatchObject({ status: 200, text: '' });
  });

  test('is for administrators of the workspace', async () => {
    const minted = await ana.call('POST', `/workspaces/${ana.workspace.id}/tokens`);
    const get = (token: string) =>
      send(`${api.url}/v1/audit/export`, { headers: { authorization: `Bearer ${token}` } });
    expect((await get(String(minted.body['auth_token']))).status).toBe(403);
    expect((await get(ADMIN_TOKEN)).status).toBe(403);
    expect((await get('nothing')).status).toBe(401);
    expect((await ana.call('GET', '/v1/audit/export?format=xml')).status).toBe(422);
  });
});
