import { expect, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { allRoutes } from '../../api/server.js';
import { routes } from '../../api/routes/index.js';

interface Endpoint {
  readonly surface: string;
  readonly area: string;
  /** `GET /a/{}`: parameters are compared by place, not by name. */
  readonly door: string;
}

const doorOf = (method: string, path: string): string =>
  `${method} ${path.replaceAll(/\{[^}]*\}/g, '{}').replaceAll(/:\w+/g, '{}')}`;

const listed: readonly Endpoint[] = readFileSync(
  new URL('../../../test/fixtures/endpoints.tsv', import.meta.url),
  'utf8',
)
  .trim()
  .split('\n')
  .slice(1)
  .map((line) => line.split('\t'))
  .map(([surface = '', area = '', method = '', path = '']) => ({ surface, area, door: doorOf(method, path) }));

const mounted = new Set(
  allRoutes(routes, { version: '0', probes: {} }).flatMap(({ method, path, aliases = [], socket }) =>
    [path, ...aliases].map((each) => doorOf(socket === undefined ? method : 'WS', each)),
  ),
);

/** Ours alone: no surface names them. */
const own = new Set([
  'GET /metrics',
  'GET /v1/sso/providers',
  'POST /v1/sso/providers',
  'PATCH /v1/sso/providers/{}',
  'DELETE /v1/sso/providers/{}',
  'GET /v1/auth/sso/{}/start',
  'GET /v1/auth/sso/{}/callback',
  'GET /v1/public/runtime/sessions/{}',
  'GET /',
  'GET /openapi-3.1.json',
  'GET /account/verify-email',
  'GET /account/reset-password',
  'GET /account/accept-invitation',
  'PUT /v1/secrets/{}',
  'GET /v1/workspaces/egress',
  'PUT /v1/workspaces/egress',
  'GET /api/v1/workflows/runs/{}/stream',
  'GET /v1/runs',
  'GET /v1/runs/{}',
  'GET /v1/runs/{}/explain',
  'GET /v1/runs/{}/steps',
  'GET /v1/runs/{}/steps/summary',
  'GET /v1/runs/{}/steps/{}',
  'GET /v1/runs/{}/stream',
  'GET /v1/stream',
  'WS /ws/runs',
  'GET /v1/values/{}',
  'POST /v1/runs',
  'POST /v1/runs/{}/waits/{}',
  'POST /v1/runs/{}/events',
  'POST /v1/runs/{}/cancel',
  'POST /v1/runs/{}/terminate',
  'POST /v1/runs/{}/pause',
  'POST /v1/runs/{}/unpause',
  'POST /v1/runs/{}/retry',
  'POST /v1/runs/{}/continue',
  'POST /v1/runs/{}/replay',
  'POST /v1/runs/bulk',
  'GET /v1/audit/export',
  'GET /v1/runs/failures',
  'POST /v1/events',
  'POST /v1/public/ingress/{}/{}',
  'GET /v1/ingress-sources',
  'POST /v1/ingress-sources',
  'GET /v1/ingress-sources/{}',
  'PATCH /v1/ingress-sources/{}',
  'DELETE /v1/ingress-sources/{}',
  'POST /v1/ingress-sources/{}/rotate-secret',
  'POST /v1/ingress-sources/{}/test',
  'GET /v1/ingress-sources/{}/messages',
  'POST /v1/ingress-sources/{}/redrive',
  'GET /v1/ingress-messages',
  'GET /v1/ingress-messages/{}',
  'POST /v1/ingress-messages/{}/redrive',
  'GET /v1/definitions',
  'GET /v1/definitions/{}',
  'GET /v1/definitions/{}/diff',
  'GET /v1/definitions/{}/draft',
  'PUT /v1/definitions/{}/draft',
  'POST /v1/definitions/{}/compile',
  'GET /v1/definitions/{}/pins',
  'PUT /v1/definitions/{}/pins',
  'GET /v1/definitions/{}/versions',
  'GET /v1/definitions/{}/versions/{}',
  'POST /v1/definitions/{}/versions/{}/restore',
  'POST /v1/definitions/{}/rollback',
  'POST /v1/definitions/{}/validate-publish',
  'POST /v1/definitions/{}/publish',
  'POST /v1/definitions/{}/publish-preview',
  'POST /v1/definitions/{}/move',
  'POST /v1/definitions/{}/test-node',
  'POST /v1/definitions/{}/test-run',
  'GET /v1/workspace-tools/{}',
  'GET /v1/node-types',
  'GET /v1/runtime/workflows/sessions/{}',
  'GET /v1/auth/mfa',
  'DELETE /v1/auth/mfa',
  'POST /v1/auth/mfa/step-up',
  'POST /v1/auth/mfa/recovery-codes',
  'POST /v1/auth/revoke-all',
  'POST /v1/auth/accept-invitation',
  'PATCH /api/v1/auth/api-keys/{}',
  'GET /org/tokens',
  'POST /org/tokens',
  'DELETE /org/tokens/{}',
  'GET /workspaces/{}/tree',
  'GET /v1/workspaces/security',
  'PUT /v1/workspaces/security',
  'GET /v1/webhook-event-types',
  'GET /v1/webhook-endpoints',
  'POST /v1/webhook-endpoints',
  'GET /v1/webhook-endpoints/{}',
  'PATCH /v1/webhook-endpoints/{}',
  'DELETE /v1/webhook-endpoints/{}',
  'POST /v1/webhook-endpoints/{}/rotate-secret',
  'POST /v1/webhook-endpoints/{}/test',
  'POST /v1/webhook-endpoints/{}/redrive',
  'GET /v1/webhook-endpoints/{}/deliveries',
  'GET /v1/webhook-deliveries/{}',
  'POST /v1/webhook-deliveries/{}/redrive',
  'GET /v1/members',
  'POST /v1/members',
  'PATCH /v1/members/{}',
  'DELETE /v1/members/{}',
  'GET /v1/members/invitations',
  'DELETE /v1/members/invitations/{}',
  'POST /api/v1/calls/{}/turns',
]);

/** Areas that are whole; every row of theirs must stay mounted. */
const finished: readonly string[] = [
  'agent-studio auth',
  'agent-studio analytics',
  'agent-studio docs',
  'agent-studio health',
  'service agents',
  'agent-studio resources',
  'service auth',
  'service health',
  'service tenants',
  'service tools',
  'studio auth',
  'studio chains',
  'studio graph-workflows',
  'integrations schedules',
  'integrations approvals',
  'integrations tokens',
  'integrations admin',
  'integrations workspaces',
];

test('rows of the surfaces that exist', () => {
  const surfaces = [...new Set(listed.map(({ surface }) => surface))];
  const lines = surfaces.map((surface) => {
    const rows = listed.filter((row) => row.surface === surface);
    return `${surface.padEnd(14)} ${rows.filter(({ door }) => mounted.has(door)).length} of ${rows.length}`;
  });
  process.stdout.write(`${lines.join('\n')}\n`);
  expect(listed.length).toBe(335);
});

test.each(finished)('%s is whole', (area) => {
  const missing = listed.filter((row) => `${row.surface} ${row.area}` === area && !mounted.has(row.door));
  expect(missing.map(({ door }) => door)).toEqual([]);
});

test('no row is mounted that no surface names and that is not ours', () => {
  const known = new Set([...listed.map(({ door }) => door), ...own]);
  expect([...mounted].filter((door) => !known.has(door))).toEqual([]);
});
