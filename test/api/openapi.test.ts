import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { testDatabase } from '../support/database.js';
import { startKit, type KitServer } from '../support/kit.js';
import { kitRows } from '../support/kit-rows.js';
import { send } from '../support/http.js';
import { openApiProblems } from '../support/swagger-parser.js';
import { routes } from '../../api/routes/index.js';

let kit: KitServer;
let product: KitServer;
let drop: () => Promise<void>;

beforeAll(async () => {
  const fresh = await testDatabase();
  drop = fresh.close;
  kit = await startKit({ db: fresh.db, rows: kitRows({ ran: 0, open: Promise.resolve() }) });
  product = await startKit({ db: fresh.db, rows: routes });
});
afterAll(async () => {
  await Promise.all([kit.close(), product.close()]);
  await drop();
});

describe.each([
  ['/openapi.json', '3.0.3'],
  ['/openapi-3.1.json', '3.1.0'],
])('%s', (path, version) => {
  test('of the product is valid', async () => {
    const { body } = await send(product.url + path);
    expect(body['openapi']).toBe(version);
    expect(await openApiProblems(body)).toBe('');
  });

  test('shows each part of a row', async () => {
    const { body } = await send(kit.url + path);
    expect(await openApiProblems(body)).toBe('');
    const paths = body['paths'] as Record<string, Record<string, unknown>>;
    expect(paths['/things']?.['post']).toMatchObject({
      operationId: 'things.create',
      tags: ['things'],
      security: [{ bearer: [] }, { apiKey: [] }],
      parameters: [
        { name: 'X-Workspace-Id', in: 'header' },
        { name: 'Idempotency-Key', in: 'header' },
      ],
      requestBody: { required: true, content: { 'application/json': { schema: expect.anything() } } },
      responses: {
        201: { content: { 'application/json': { schema: expect.anything() } } },
        401: { $ref: '#/components/responses/Error401' },
        422: { $ref: '#/components/responses/Error422' },
      },
    });
    expect(paths['/v1/things']?.['get']).toMatchObject({ operationId: 'things.list.alias1' });
    expect(paths['/things']?.['get']).toMatchObject({
      parameters: [{ name: 'X-Workspace-Id' }, { name: 'limit', in: 'query', required: false }, { name: 'offset' }],
    });
    expect(paths['/shared-things']?.['get']).toMatchObject({
      description: 'Needs the scope `agents:read` or `conversations:read`.',
    });
    expect(paths['/things/{thingId}']?.['delete']).toMatchObject({
      responses: { 204: {}, 404: { description: 'No such thing.' } },
    });
    expect(paths['/echo/{token}']?.['post']).toMatchObject({
      security: [],
      requestBody: { content: { 'text/plain': {} } },
    });
    const text = JSON.stringify(body);
    expect(text).toContain('"example":"kettle"');
    expect(text).not.toMatch(/\$defs|"\$ref":"#"|#\/definitions/);
  });
});
