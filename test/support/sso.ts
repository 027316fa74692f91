import { startTestApi } from './api.js';
import type { AnyBody } from './http.js';
import {
  CLIENT_ID,
  CLIENT_SECRET,
  createBrowser,
  startIdentityProvider,
  type Browser,
  type IdpPerson,
} from './identity-provider.js';
import { silentTemporal } from './silent-temporal.js';

/** Sign-ins with a real identity provider, as tests make them. */

export const app = 'https://app.example.com';
/** Where the provider sends browsers; tests go to the API itself instead. */
const publicUrl = 'http://127.0.0.1:9';
const callback = `${publicUrl}/v1/auth/sso/acme/callback`;

export interface Came {
  readonly status: number;
  readonly location: string | null;
  readonly body: AnyBody;
  readonly text: string;
}

/** Somebody of acme.test with the role of a developer. */
export const named = (name: string, more: object = {}): IdpPerson => ({
  ...{ sub: `sub-${name}`, email: `${name}@acme.test`, email_verified: true, name },
  realm_access: { roles: ['dev'] },
  ...more,
});

export async function openPage(browser: Browser, url: URL): Promise<Came> {
  const response = await browser.visit(url.href);
  const text = await response.text();
  // -- reason: a test looks into what came
  const body = (JSON.parse(text) ?? {}) as AnyBody;
  return { status: response.status, location: response.headers.get('location'), body, text };
}

/** An API whose one organisation signs in with the provider `acme`. */
export async function openSso() {
  const idp = await startIdentityProvider([callback]);
  const api = await startTestApi({
    temporal: silentTemporal,
    env: { KEELSON_EGRESS_ALLOW: idp.address, KEELSON_PUBLIC_URL: publicUrl, CORS_ORIGINS: app },
  });
  const owner = await api.signUp();
  const made = await owner.call('POST', '/v1/sso/providers', {
    body: {
      ...{ name: 'Acme', slug: 'acme', issuer: idp.issuer, client_id: CLIENT_ID, client_secret: CLIENT_SECRET },
      ...{ scopes: ['openid', 'email', 'profile', 'groups'], role_claim: 'realm_access.roles' },
      ...{ role_map: { ops: 'admin', dev: 'developer', boss: 'owner' }, email_domains: ['acme.test'] },
    },
  });
  if (made.status !== 201) throw new Error(made.text);
  /** Up to the callback's address, which the provider has sent the browser to. */
  const comeBack = async (browser: Browser, person: IdpPerson, { amr = ['pwd'], query = '' } = {}): Promise<URL> => {
    idp.become(person, amr);
    const came = await browser.follow(`${api.url}/v1/auth/sso/acme/start${query}`, callback);
    return new URL(came.replace(publicUrl, api.url));
  };
  return {
    idp,
    api,
    owner,
    comeBack,
    /** Changes the provider. */
    set: (body: object) => owner.call('PATCH', `/v1/sso/providers/${String(made.body['id'])}`, { body }),
    signIn: async (person: IdpPerson, more: { amr?: string[]; query?: string } = {}): Promise<Came> => {
      const browser = createBrowser();
      return openPage(browser, await comeBack(browser, person, more));
    },
    close: async (): Promise<void> => {
      await api.close();
      await idp.close();
    },
  };
}
export type SsoDesk = Awaited<ReturnType<typeof openSso>>;
