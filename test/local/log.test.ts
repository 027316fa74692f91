import fs from 'node:fs';
import path from 'node:path';
import { expect, test } from '@jest/globals';
import { createLogger, logFile } from '../../db/log.js';
import { scratchFolder } from '../support/scratch.js';

test('a field with the name of a secret is blanked, at every depth a record has', () => {
  const file = path.join(scratchFolder(), 'a.log');
  const log = createLogger({ level: 'info', name: 'test', destination: logFile(file) });
  log.info({ password: 'hunter2', kept: 'shown' }, 'one');
  log.info({ req: { headers: { authorization: 'Bearer hunter2', cookie: 'hunter2', 'x-api-key': 'hunter2' } } }, 'two');
  log.info({ a: { b: { c: { token: 'hunter2', secret: 'hunter2', api_key: 'hunter2' } } } }, 'three');
  const text = fs.readFileSync(file, 'utf8');
  expect(text).not.toContain('hunter2');
  expect(text).toContain('shown');
  expect(text.match(/\[redacted\]/g)).toHaveLength(7);
  expect(fs.statSync(file).mode & 0o777).toBe(0o600);
});
