import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, jest, test } from '@jest/globals';
import { readApiConfig } from '../../api/config.js';
import { createSample } from '../../local/sample.js';
import { MASTER_KEY, PASSWORD, startTestApi } from '../support/api.js';
import { silentTemporal } from '../support/silent-temporal.js';

jest.setTimeout(60_000);

test('the first start makes the samples and the agents of the workspace, once', async () => {
  const api = await startTestApi({ temporal: silentTemporal });
  try {
    const admin = await api.signUp();
    const env = { DATABASE_URL: api.databaseUrl, KEELSON_MASTER_KEY: MASTER_KEY };
    const config = { ...readApiConfig(env), adminEmail: admin.email, adminPassword: PASSWORD };
    const root = mkdtempSync(path.join(tmpdir(), 'keelson-sample-'));
    await createSample({ apiUrl: api.url, config, root });
    const namesIn = async (table: 'agents' | 'definitions'): Promise<readonly string[]> => {
      const rows = await api.db
        .selectFrom(table)
        .select('name')
        .where('workspace_id', '=', admin.workspace.id)
        .execute();
      return rows.map(({ name }) => name);
    };
    expect(await namesIn('agents')).toEqual(expect.arrayContaining(['triage', 'code_assistant', 'data_analyst']));
    expect(await namesIn('definitions')).toEqual(expect.arrayContaining(['Refund desk', 'Order desk']));
    const before = await namesIn('definitions');
    await createSample({ apiUrl: api.url, config, root });
    expect(await namesIn('definitions')).toEqual(before);
  } finally {
    await api.close();
  }
});
