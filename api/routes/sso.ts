import { z } from 'zod';
import { Reply, route, type Route } from '../http/route.js';
import { Empty, Time } from '../http/schemas.js';
import { SSO_COOKIE, SSO_COOKIE_SECONDS } from '../services/session-cookies.js';
import { Session, sessionCookies, withoutRefresh } from './auth.js';
import { clientOf } from './client.js';

const managing = { tag: 'sso', auth: 'tenant', role: 'admin' } as const;
const at = '/v1/sso/providers' as const;
const entity = 'sso_provider';

const Role = z.enum(['owner', 'admin', 'developer', 'editor', 'viewer']);
const DefaultRole = z.enum(['admin', 'developer', 'editor', 'viewer']);
const Text = z
  .string()
  .trim()
  .min(1)
  .max(500)
  .regex(/^\P{C}*$/u, 'must hold no control characters');

const fields = {
  name: Text.max(100),
  slug: z.string().regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, 'must be lower-case letters, digits and dashes'),
  issuer: z
    .string()
    .max(500)
    .regex(/^https?:\/\/[^?#]+$/, 'must be the issuer address, such as https://id.example.com'),
  client_id: Text,
  client_secret: z.string().min(1).max(1_000),
  scopes: z
    .array(z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]{1,100}$/, 'must be one scope, such as email'))
    .max(20)
    .refine((scopes) => scopes.includes('openid'), 'must hold openid'),
  role_claim: Text.max(200).meta({ description: 'Dotted path of the claim that says the role' }),
  role_map: z
    .record(z.string().min(1).max(200), Role)
    .refine((map) => Object.keys(map).length <= 200, 'must have at most 200 entries')
    .meta({ description: 'Role by value of that claim; of several the strongest counts' }),
  default_role: DefaultRole.nullable().meta({ description: 'Of people the map does not name; null refuses them' }),
  email_domains: z
    .array(
      z
        .string()
        .toLowerCase()
        .regex(/^[a-z0-9-]+(\.[a-z0-9-]+)+$/, 'must be a domain such as example.com'),
    )
    .max(100)
    .meta({ description: 'Empty: any' }),
  enabled: z.boolean(),
};

const NewProvider = z
  .strictObject({
    ...fields,
    scopes: fields.scopes.default(['openid', 'email', 'profile']),
    role_claim: fields.role_claim.default('roles'),
    role_map: fields.role_map.default({}),
    default_role: fields.default_role.default(null),
    email_domains: fields.email_domains.default([]),
    enabled: fields.enabled.default(true),
  })
  .meta({
    id: 'NewSsoProvider',
    example: {
      ...{ name: 'Company login', slug: 'company', issuer: 'https://id.example.com', client_id: 'keelson' },
      ...{ client_secret: 'from the provider', role_map: { 'keelson-admins': 'admin' }, default_role: 'viewer' },
    },
  });

const ProviderChange = z.strictObject(fields).partial().meta({ id: 'SsoProviderChange' });

const Provider = z
  .object({
    id: z.string(),
    name: z.string(),
    slug: z.string(),
    issuer: z.string(),
    client_id: z.string(),
    scopes: z.array(z.string()),
    role_claim: z.string(),
    role_map: z.record(z.string(), Role),
    default_role: DefaultRole.nullable(),
    email_domains: z.array(z.string()),
    enabled: z.boolean(),
    created_at: Time,
    updated_at: Time,
  })
  .meta({ id: 'SsoProvider' });

const providerRoutes: readonly Route[] = [
  route({
    ...managing,
    id: 'ssoProviders.list',
    method: 'GET',
    path: at,
    summary: 'Identity providers of the organisation',
    reply: z.object({ items: z.array(Provider), total: z.number().int() }),
    handle: async ({ actor }, { ssoProviders }) => {
      const items = await ssoProviders.list(actor);
      return { items, total: items.length };
    },
  }),
  route({
    ...managing,
    id: 'ssoProviders.create',
    method: 'POST',
    path: at,
    summary: 'Add an OpenID Connect provider; its secret is never shown again',
    mfa: 'sensitive',
    audit: { entity },
    body: NewProvider,
    status: 201,
    reply: Provider,
    errors: { 404: 'No such organisation', 409: 'The slug is taken, or there are 20 providers' },
    handle: ({ actor, body }, { ssoProviders }) => ssoProviders.create(actor, body),
  }),
  route({
    ...managing,
    id: 'ssoProviders.change',
    method: 'PATCH',
    path: `${at}/:provider_id`,
    summary: 'Change a provider; a new issuer asks for its client_secret too and forgets who people were',
    mfa: 'sensitive',
    audit: { entity },
    body: ProviderChange,
    reply: Provider,
    errors: { 404: 'No such provider here', 409: 'The slug is taken' },
    handle: ({ actor, params, body }, { ssoProviders }) => ssoProviders.change(actor, params.provider_id, body),
  }),
  route({
    ...managing,
    id: 'ssoProviders.remove',
    method: 'DELETE',
    path: `${at}/:provider_id`,
    summary: 'Remove a provider; the accounts of its people stay',
    mfa: 'sensitive',
    audit: { entity },
    status: 204,
    reply: Empty,
    errors: { 404: 'No such provider here' },
    handle: async ({ actor, params }, { ssoProviders }) => {
      await ssoProviders.remove(actor, params.provider_id);
      return undefined;
    },
  }),
];

const signingIn = { method: 'GET', tag: 'sso', auth: 'none', rate: 'auth' } as const;
const door = '/v1/auth/sso/:slug' as const;
const headers = { 'cache-control': 'no-store' };
const cookie = { name: SSO_COOKIE, path: '/v1/auth/sso' };
const unknown = { 403: 'The provider is switched off', 404: 'No such provider', 502: 'The provider does not answer' };

/** Parameters that a provider adds of its own are passed over. */
const Returned = z.object({
  code: z.string().max(4_000).optional(),
  state: z.string().max(500).optional(),
  iss: z.string().max(500).optional(),
  error: z.string().max(500).optional(),
});

const signInRoutes: readonly Route[] = [
  route({
    ...signingIn,
    id: 'sso.start',
    path: `${door}/start`,
    summary: 'Go to the identity provider to sign in',
    query: z.object({ return_to: z.string().max(2_000).optional() }),
    status: 302,
    reply: z.null(),
    errors: { 400: 'The Host header is missing', ...unknown },
    handle: async ({ params, query, headers: sent }, { ssoSignIn }) => {
      const start = { slug: params.slug, returnTo: query.return_to, host: sent.host };
      const { url, browser } = await ssoSignIn.start(start);
      const cookies = [{ ...cookie, value: browser, maxAgeSeconds: SSO_COOKIE_SECONDS }];
      return new Reply(null, { status: 302, headers: { ...headers, location: url }, cookies });
    },
  }),
  route({
    ...signingIn,
    id: 'sso.callback',
    path: `${door}/callback`,
    summary: 'Come back from the identity provider, signed in: on to return_to, or with the session as JSON',
    query: Returned,
    reply: Session.nullable(),
    errors: {
      ...unknown,
      302: 'Signed in; on to return_to',
      400: 'The state is unknown, used, too old or of another browser',
      401: "The provider's answer is not accepted",
      403: 'The provider or its claims do not let this person in, or it is switched off',
      409: 'The last owner of the organisation would lose that role',
    },
    handle: async (request, { ssoSignIn }) => {
      const { params, query, cookies: sent } = request;
      const { code, state, iss, error } = query;
      const came = { slug: params.slug, browser: sent[SSO_COOKIE], code, state, iss, error };
      const { signedIn, returnTo } = await ssoSignIn.finish(came, clientOf(request));
      const cookies = [...sessionCookies(signedIn), { ...cookie, value: null, maxAgeSeconds: 0 }];
      if (returnTo === null) return new Reply(withoutRefresh(signedIn), { headers, cookies });
      return new Reply(null, { status: 302, headers: { ...headers, location: returnTo }, cookies });
    },
  }),
];

export const ssoRoutes: readonly Route[] = [...providerRoutes, ...signInRoutes];
